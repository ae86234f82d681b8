import { type Draft, valueAt } from './draft.ts';

/** The choices that others depend on. */
interface Choices {
  task: string;
  cell: string;
  layers: number;
  length: string;
  /** Whether the data is one endless text or series, read in windows. */
  windows: boolean;
  /** Whether the model writes text. */
  writes: boolean;
}

const choicesOf = (draft: Draft): Choices => {
  const choice = (path: string, standard: string): string => String(valueAt(draft, path) ?? standard);
  const task = choice('task', 'language_model');
  const whole = choice('text.sequences', 'whole') === 'whole';
  return {
    task,
    cell: choice('model.cell', 'lstm'),
    layers: Number(valueAt(draft, 'model.num_layers') ?? 2),
    length: choice('model.length', 'eos'),
    windows: (task === 'language_model' && whole) || task === 'forecasting',
    writes: task === 'language_model' || task === 'conditional_generation',
  };
};

const forecasts = ({ task }: Choices): boolean => task === 'forecasting';

/** When an option has a meaning, by its path or that of the group that it is in; all others always have one. */
const rules: Record<string, (choices: Choices) => boolean> = {
  text: ({ task }) => task !== 'forecasting',
  series: ({ task }) => task !== 'language_model',
  'series.format': forecasts,
  'series.delimiter': forecasts,
  'series.header': forecasts,
  'series.columns': forecasts,
  'series.horizon': forecasts,
  'model.activation': ({ cell }) => cell === 'elman',
  'model.candidate_activation': ({ cell }) => cell === 'lstm',
  'model.peephole': ({ cell }) => cell === 'lstm',
  'model.reset': ({ cell }) => cell === 'gru',
  'model.recurrent_dropout': ({ cell }) => cell !== 'elman',
  'model.recurrence': ({ cell, task, writes }) => task !== 'classification' && (cell === 'elman' || !writes),
  'model.bidirectional': ({ task }) => task === 'sequence_labeling' || task === 'classification',
  'model.embedding_size': ({ task }) => task !== 'forecasting',
  'model.tie_weights': ({ writes }) => writes,
  'model.dropout': ({ layers }) => layers > 1,
  'model.variational_dropout': ({ layers }) => layers > 1,
  'model.context': ({ task }) => task === 'conditional_generation',
  'model.length': ({ writes, windows }) => writes && !windows,
  'model.max_length': ({ writes, windows, length }) => writes && !windows && length === 'countdown',
  'model.renew': ({ writes, windows, length }) => writes && !windows && length === 'countdown',
  'training.sequence_length': ({ windows }) => windows,
  'training.bptt.stateful': ({ windows }) => windows,
  'training.bucketing': ({ windows }) => !windows,
  'training.loss': ({ task }) => task === 'forecasting' || task === 'sequence_labeling',
  'training.teacher_forcing': ({ task }) => task !== 'classification',
  'training.sample_every': ({ writes }) => writes,
};

/** Whether an option is shown: it means something, or was chosen all the same, or is what the API complains of. */
export const shows = (path: string, draft: Draft, wrong: string | null): boolean => {
  if (valueAt(draft, path) !== undefined) return true;
  if (wrong !== null && (wrong === path || wrong.startsWith(`${path}.`))) return true;
  return rules[path]?.(choicesOf(draft)) ?? true;
};
