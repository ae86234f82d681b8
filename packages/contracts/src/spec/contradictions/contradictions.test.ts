import { describe, expect, it } from 'vitest';
import { UnfoldError } from '../../errors.ts';
import { jobSpec } from '../../job-spec.ts';
import { parseRequest } from '../../validation.ts';
import { specWarnings } from './spec-warnings.ts';

const file = `file-${'0'.repeat(32)}`;

const refusal = (input: object): UnfoldError => {
  try {
    parseRequest(jobSpec, { file, ...input });
  } catch (error) {
    if (error instanceof UnfoldError) return error;
    throw error;
  }
  throw new Error('The spec was accepted.');
};
const accepts = (input: object) => parseRequest(jobSpec, { file, ...input });

const conditional = 'conditional_generation';
const labeling = 'sequence_labeling';
const elman = (model: object) => ({ model: { cell: 'elman', ...model } });

/** Title, the two fields at odds (the first is `param`), a spec that is refused, and one that differs in one option and is taken. */
type Row = [title: string, param: string, other: string, refused: object, taken: object];

const network: Row[] = [
  [
    'an activation of an LSTM',
    'model.activation',
    'model.cell',
    { model: { activation: 'relu' } },
    elman({ activation: 'relu' }),
  ],
  [
    'a candidate of a GRU',
    'model.candidate_activation',
    'model.cell',
    { model: { cell: 'gru', candidate_activation: 'relu' } },
    { model: { candidate_activation: 'relu' } },
  ],
  [
    'peepholes of a GRU',
    'model.peephole',
    'model.cell',
    { model: { cell: 'gru', peephole: true } },
    { model: { peephole: true } },
  ],
  [
    'a reset of an LSTM',
    'model.reset',
    'model.cell',
    { model: { reset: 'before' } },
    { model: { cell: 'gru', reset: 'before' } },
  ],
  [
    'gates that start as the identity',
    'model.init',
    'model.cell',
    { model: { init: 'identity' } },
    elman({ init: 'identity' }),
  ],
  [
    'recurrent dropout without a candidate',
    'model.recurrent_dropout',
    'model.cell',
    elman({ recurrent_dropout: 0.1 }),
    { model: { cell: 'gru', recurrent_dropout: 0.1 } },
  ],
  [
    'output recurrence of an LSTM',
    'model.recurrence',
    'model.cell',
    { task: labeling, model: { recurrence: 'output' } },
    { task: labeling, ...elman({ recurrence: 'output' }) },
  ],
  [
    'both recurrences in a language model',
    'model.recurrence',
    'task',
    { model: { recurrence: 'both' } },
    { task: labeling, model: { recurrence: 'both' } },
  ],
  [
    'both recurrences in conditional generation',
    'model.recurrence',
    'task',
    { task: conditional, model: { recurrence: 'both' } },
    { task: conditional },
  ],
  [
    'output arrows in classification',
    'model.recurrence',
    'task',
    { task: 'classification', model: { recurrence: 'both' } },
    { task: 'classification' },
  ],
  [
    'BPTT through output recurrence under teacher forcing',
    'training.bptt.window',
    'model.recurrence',
    { task: labeling, ...elman({ recurrence: 'output' }), training: { bptt: { window: 5 } } },
    {
      task: labeling,
      ...elman({ recurrence: 'output' }),
      training: { bptt: { window: 5 }, teacher_forcing: { mode: 'never' } },
    },
  ],
  [
    'an identity of no weights',
    'model.init',
    'model.recurrence',
    elman({ recurrence: 'output', init: 'identity' }),
    elman({ recurrence: 'output' }),
  ],
  [
    'a learned state that is not carried',
    'model.initial_state',
    'model.recurrence',
    elman({ recurrence: 'output', initial_state: 'learned' }),
    elman({ initial_state: 'learned' }),
  ],
  [
    'zoneout of a state that is not carried',
    'model.zoneout',
    'model.recurrence',
    elman({ recurrence: 'output', zoneout: 0.1 }),
    elman({ zoneout: 0.1 }),
  ],
  [
    'a context in a state that is not carried',
    'model.context.inject',
    'model.recurrence',
    { task: conditional, ...elman({ recurrence: 'output', context: { inject: 'both' } }) },
    { task: conditional, ...elman({ recurrence: 'output', context: { inject: 'every_step' } }) },
  ],
  [
    'reading a text from its end',
    'model.bidirectional',
    'task',
    { model: { bidirectional: true } },
    { task: 'classification', model: { bidirectional: true } },
  ],
  [
    'two directions with output arrows',
    'model.bidirectional',
    'model.recurrence',
    { task: labeling, model: { bidirectional: true, recurrence: 'both' } },
    { task: labeling, model: { recurrence: 'both' } },
  ],
  [
    'two directions cut in windows',
    'training.bptt.window',
    'model.bidirectional',
    { task: labeling, model: { bidirectional: true }, training: { bptt: { window: 5 } } },
    { task: labeling, training: { bptt: { window: 5 } } },
  ],
  [
    'tied weights of two sizes',
    'model.tie_weights',
    'model.embedding_size',
    { model: { tie_weights: true } },
    { model: { tie_weights: true, embedding_size: 256 } },
  ],
  [
    'tied weights of two vocabularies',
    'model.tie_weights',
    'task',
    { task: labeling, model: { tie_weights: true, embedding_size: 256 } },
    { task: conditional, model: { tie_weights: true, embedding_size: 256 } },
  ],
  [
    'an embedding of numbers',
    'model.embedding_size',
    'task',
    { task: 'forecasting', model: { embedding_size: 3 } },
    { task: labeling, model: { embedding_size: 3 } },
  ],
  [
    'dropout with nothing between',
    'model.dropout',
    'model.num_layers',
    { model: { num_layers: 1, dropout: 0.5 } },
    { model: { dropout: 0.5 } },
  ],
  [
    'variational dropout with nothing between',
    'model.variational_dropout',
    'model.num_layers',
    { model: { num_layers: 1, variational_dropout: 0.5 } },
    { model: { variational_dropout: 0.5 } },
  ],
  [
    'two masks between layers',
    'model.variational_dropout',
    'model.dropout',
    { model: { dropout: 0.5, variational_dropout: 0.5 } },
    { model: { variational_dropout: 0.5 } },
  ],
  [
    'batch statistics of carried states',
    'model.norm',
    'training.bptt.stateful',
    { model: { norm: 'batch' } },
    { model: { norm: 'batch' }, training: { bptt: { stateful: false } } },
  ],
  [
    'batch statistics of a carried series',
    'model.norm',
    'training.bptt.stateful',
    { task: 'forecasting', model: { norm: 'batch' } },
    { task: 'classification', model: { norm: 'batch' } },
  ],
  [
    'batch statistics of one row',
    'model.norm',
    'training.batch_size',
    { task: labeling, model: { norm: 'batch' }, training: { batch_size: 1 } },
    { task: labeling, model: { norm: 'batch' }, training: { batch_size: 2 } },
  ],
];

const lines = { text: { sequences: 'lines' } };
const data: Row[] = [
  [
    'an end of what writes no text',
    'model.length',
    'task',
    { task: labeling, model: { length: 'bernoulli' } },
    { task: conditional, model: { length: 'bernoulli' } },
  ],
  [
    'an end of an endless text',
    'model.length',
    'text.sequences',
    { model: { length: 'bernoulli' } },
    { ...lines, model: { length: 'bernoulli' } },
  ],
  [
    'a countdown from anywhere',
    'model.max_length',
    'model.length',
    { ...lines, model: { length: 'countdown' } },
    { ...lines, model: { length: 'countdown', max_length: 20 } },
  ],
  [
    'a longest sequence that nothing counts',
    'model.max_length',
    'model.length',
    { ...lines, model: { max_length: 20 } },
    lines,
  ],
  [
    'a renewal of nothing',
    'model.renew',
    'model.length',
    { ...lines, model: { renew: false } },
    { ...lines, model: { length: 'countdown', max_length: 20, renew: false } },
  ],
  [
    'a context of a language model',
    'model.context',
    'task',
    { model: { context: {} } },
    { task: conditional, model: { context: {} } },
  ],
  [
    'two first states',
    'model.initial_state',
    'model.context.inject',
    { task: conditional, model: { initial_state: 'learned', context: { inject: 'initial_state' } } },
    { task: conditional, model: { initial_state: 'learned', context: { inject: 'every_step' } } },
  ],
  [
    'lines of JSON Lines',
    'text.sequences',
    'task',
    { task: labeling, ...lines },
    { task: labeling, text: { sequences: 'json_lines' } },
  ],
  ['lines of a series', 'text.sequences', 'task', { task: 'forecasting', ...lines }, { task: 'forecasting' }],
  [
    'lower-case bytes',
    'text.lowercase',
    'text.level',
    { text: { level: 'byte', lowercase: true } },
    { text: { lowercase: true } },
  ],
  [
    'a cap on bytes',
    'text.max_vocab',
    'text.level',
    { text: { level: 'byte', max_vocab: 9 } },
    { text: { max_vocab: 9 } },
  ],
  [
    'words of a series',
    'text.level',
    'task',
    { task: 'forecasting', text: { level: 'word' } },
    { text: { level: 'word' } },
  ],
  [
    'a vocabulary of a series',
    'text.max_vocab',
    'task',
    { task: 'forecasting', text: { max_vocab: 9 } },
    { task: labeling, text: { max_vocab: 9 } },
  ],
  [
    'a lower-case series',
    'text.lowercase',
    'task',
    { task: 'forecasting', text: { lowercase: true } },
    { task: labeling, text: { lowercase: true } },
  ],
  [
    'a format of text',
    'series.format',
    'task',
    { series: { format: 'csv' } },
    { task: 'forecasting', series: { format: 'csv' } },
  ],
  [
    'a header of text',
    'series.header',
    'task',
    { series: { header: true } },
    { task: 'forecasting', series: { header: true } },
  ],
  [
    'columns of text',
    'series.columns',
    'task',
    { series: { columns: [1] } },
    { task: 'forecasting', series: { columns: [1] } },
  ],
  [
    'a header of JSON Lines',
    'series.header',
    'series.format',
    { task: 'forecasting', series: { format: 'json_lines', header: true } },
    { task: 'forecasting', series: { format: 'csv', header: true } },
  ],
  [
    'columns of JSON Lines',
    'series.columns',
    'series.format',
    { task: 'forecasting', series: { format: 'json_lines', columns: ['a'] } },
    { task: 'forecasting', series: { format: 'csv', columns: ['a'] } },
  ],
  [
    'normalized text',
    'series.normalization',
    'task',
    { series: { normalization: 'standard' } },
    { task: labeling, series: { normalization: 'standard' } },
  ],
  [
    'normalized zeros and ones',
    'series.normalization',
    'training.loss',
    { task: 'forecasting', series: { normalization: 'standard' }, training: { loss: 'bernoulli' } },
    { task: 'forecasting', training: { loss: 'bernoulli' } },
  ],
  [
    'zeros and ones of text',
    'training.loss',
    'task',
    { training: { loss: 'bernoulli' } },
    { task: labeling, training: { loss: 'bernoulli' } },
  ],
];

const never = { teacher_forcing: { mode: 'never' } };
const scheduled = (options: object) => ({ training: { teacher_forcing: { mode: 'scheduled', ...options } } });
const from = (options: object) => ({ start_from: { model: 'base', ...options } });
const training: Row[] = [
  [
    'feeding back a label',
    'training.teacher_forcing.mode',
    'task',
    { task: 'classification', training: never },
    { task: 'forecasting', training: never },
  ],
  [
    'a mixture of symbols that are not embedded',
    'training.teacher_forcing.mode',
    'model.embedding_size',
    { training: never },
    { model: { embedding_size: 8 }, training: never },
  ],
  [
    'a mixture of symbols of a context that are not embedded',
    'training.teacher_forcing.mode',
    'model.embedding_size',
    { task: conditional, training: never },
    { task: conditional, ...scheduled({ c: 1 }) },
  ],
  [
    'feeding back where no arrow goes',
    'training.teacher_forcing.mode',
    'model.recurrence',
    { task: labeling, training: never },
    { task: labeling, model: { recurrence: 'both' }, training: never },
  ],
  [
    'k of a line',
    'training.teacher_forcing.k',
    'training.teacher_forcing.schedule',
    scheduled({ k: 5 }),
    scheduled({ c: 0.1, floor: 0.2 }),
  ],
  [
    'c of a power',
    'training.teacher_forcing.c',
    'training.teacher_forcing.schedule',
    scheduled({ schedule: 'exponential', c: 0.1 }),
    scheduled({ schedule: 'exponential', k: 0.9 }),
  ],
  [
    'the floor of a sigmoid',
    'training.teacher_forcing.floor',
    'training.teacher_forcing.schedule',
    scheduled({ schedule: 'inverse_sigmoid', floor: 0.1 }),
    scheduled({ schedule: 'inverse_sigmoid' }),
  ],
  [
    'a power that does not fall',
    'training.teacher_forcing.k',
    'training.teacher_forcing.schedule',
    scheduled({ schedule: 'exponential', k: 1 }),
    scheduled({ schedule: 'inverse_sigmoid', k: 1 }),
  ],
  [
    'a sigmoid that starts too low',
    'training.teacher_forcing.k',
    'training.teacher_forcing.schedule',
    scheduled({ schedule: 'inverse_sigmoid', k: 0.5 }),
    scheduled({ schedule: 'exponential', k: 0.5 }),
  ],
  [
    'gradients cut beyond the window',
    'training.bptt.window',
    'training.sequence_length',
    { training: { bptt: { window: 65 } } },
    { task: labeling, training: { bptt: { window: 65 } } },
  ],
  [
    'stopping early on no evidence',
    'training.early_stopping',
    'training.validation_fraction',
    { training: { validation_fraction: 0, early_stopping: {} } },
    { training: { early_stopping: {} } },
  ],
  [
    'a plateau of nothing',
    'training.schedule',
    'training.validation_fraction',
    { training: { validation_fraction: 0, schedule: { type: 'plateau' } } },
    { validation_file: file, training: { validation_fraction: 0, schedule: { type: 'plateau' } } },
  ],
  [
    'Nesterov without momentum',
    'training.optimizer.nesterov',
    'training.optimizer.momentum',
    { training: { optimizer: { type: 'sgd', nesterov: true } } },
    { training: { optimizer: { type: 'sgd', nesterov: true, momentum: 0.9 } } },
  ],
  [
    'samples of what writes no text',
    'training.sample_every',
    'task',
    { task: labeling, training: { sample_every: 5 } },
    { training: { sample_every: 5 } },
  ],
  [
    'freezing a layer too many',
    'start_from.freeze',
    'model.num_layers',
    from({ freeze: ['layers.2'] }),
    from({ freeze: ['layers.1'] }),
  ],
  [
    'resetting an embedding that is not there',
    'start_from.reset',
    'model.embedding_size',
    from({ reset: ['embedding'] }),
    { ...from({ reset: ['embedding'] }), model: { embedding_size: 8 } },
  ],
  [
    'freezing feedback that is not there',
    'start_from.freeze',
    'model.recurrence',
    from({ freeze: ['feedback'] }),
    { task: labeling, model: { recurrence: 'both' }, ...from({ freeze: ['feedback'] }) },
  ],
  [
    'resetting a context that is not there',
    'start_from.reset',
    'model.context',
    from({ reset: ['context'] }),
    { task: conditional, ...from({ reset: ['context'] }) },
  ],
  [
    'resetting an end that is predicted as a token',
    'start_from.reset',
    'model.length',
    from({ reset: ['length'] }),
    { ...lines, model: { length: 'bernoulli' }, ...from({ reset: ['length'] }) },
  ],
  [
    'freezing a first state of zeros',
    'start_from.freeze',
    'model.initial_state',
    from({ freeze: ['initial_state'] }),
    { model: { initial_state: 'learned' }, ...from({ freeze: ['initial_state'] }) },
  ],
  [
    'freezing what starts afresh',
    'start_from.freeze',
    'start_from.reset',
    from({ freeze: ['head'], reset: ['head'] }),
    from({ freeze: ['layers.0'], reset: ['head'] }),
  ],
  [
    'freezing everything',
    'start_from.freeze',
    'model.num_layers',
    from({ freeze: ['layers.0', 'layers.1', 'head'] }),
    from({ freeze: ['layers.0', 'layers.1'] }),
  ],
];

describe('options that contradict each other', () => {
  it.each([...network, ...data, ...training])(
    'are refused for %s, naming both fields',
    (_, param, other, refused, taken) => {
      const error = refusal(refused);
      expect(error).toMatchObject({ code: 'contradictory_options', param, status: 400 });
      expect(error.message).toContain(param);
      expect(error.message).toContain(other);
      expect(() => accepts(taken)).not.toThrow();
    },
  );

  it('are all named in one answer, the first one as its field', () => {
    const error = refusal({ model: { activation: 'relu', reset: 'before', dropout: 0.5, num_layers: 1 } });
    expect(error.param).toBe('model.activation');
    for (const field of ['model.activation', 'model.reset', 'model.dropout'])
      expect(error.message).toContain(field);
  });

  it('do not include what is only redundant, which is warned of', () => {
    const forecast = { task: 'forecasting' };
    for (const [input, warning] of [
      [elman({ recurrence: 'output' }), 'bigram'],
      [{ ...forecast, ...elman({ recurrence: 'output' }) }, 'first order'],
      [{ ...forecast, model: { recurrence: 'both' } }, 'no more than "hidden"'],
    ] as const)
      expect(specWarnings(accepts(input))).toEqual([expect.stringContaining(warning)]);
    for (const input of [elman({}), forecast, { task: labeling, model: { recurrence: 'both' } }])
      expect(specWarnings(accepts(input))).toEqual([]);
  });
});
