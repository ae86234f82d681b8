import { jobSpec } from '@unfold/contracts';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { shows } from './applies.ts';
import { type Draft, pruned, valueAt, withoutDerived, withValue } from './draft.ts';
import { guessTask } from './guess-task.ts';
import { jobOptions, type Named, type Schema } from './schema.ts';

const file = `file-${'0'.repeat(26)}`;
const schema = z.toJSONSchema(jobSpec, { io: 'input', unrepresentable: 'any' }) as Schema & {
  $defs?: Record<string, Schema>;
};
const options = jobOptions({ ...schema.$defs, JobSpecInput: schema });

const specs: [string, Draft][] = [
  ['the smallest', {}],
  ['a classification', { task: 'classification', model: { cell: 'gru', bidirectional: true } }],
  ['a forecast', { task: 'forecasting', series: { horizon: 3, columns: ['a', 2] } }],
  ['a condition', { task: 'conditional_generation', model: { context: { inject: 'both' } } }],
  [
    'much of it',
    {
      text: { sequences: 'lines', lowercase: true },
      model: { length: 'countdown', max_length: 9 },
      training: {
        clip: { value: 1 },
        optimizer: { type: 'rmsprop', alpha: 0.5 },
        schedule: { type: 'cosine', warmup_steps: 5 },
        teacher_forcing: { mode: 'scheduled', schedule: 'exponential', k: 0.5 },
        early_stopping: { patience: 2 },
      },
      metadata: { team: 'whales' },
    },
  ],
];

it.each(specs)(
  'what is left of a completed spec without its defaults is what was asked for: %s',
  (_, given) => {
    const spec = jobSpec.parse({ file, ...given });
    const left = pruned(withoutDerived(spec as unknown as Draft), options);
    expect(jobSpec.parse(left)).toEqual(spec);
    expect(left).toEqual({ file, ...given });
  },
);

it('every option of a job has a field', () => {
  const flat = (named: Named): Named[] =>
    named.option.kind === 'group' ? [named, ...named.option.options.flatMap(flat)] : [named];
  const all = options.flatMap(flat);
  expect(all.map(({ path }) => path)).toContain('training.bptt.window');
  const unknown = all.filter(({ option }) => option.kind === 'json').map(({ path }) => path);
  expect(unknown).toEqual(['series.columns', 'start_from.freeze', 'start_from.reset', 'metadata']);
});

describe('a draft', () => {
  it('takes values in and out, and with them the groups that they leave empty', () => {
    const draft = withValue({ file }, 'training.optimizer.learning_rate', 0.1);
    expect(valueAt(draft, 'training.optimizer.learning_rate')).toBe(0.1);
    expect(withValue(draft, 'training.optimizer.learning_rate', undefined)).toEqual({ file });
    const stopping = withValue({}, 'training.early_stopping', {});
    expect(stopping).toEqual({ training: { early_stopping: {} } });
  });

  it('shows what means something, what was chosen, and what the API complains of', () => {
    expect(shows('model.peephole', {}, null)).toBe(true);
    expect(shows('model.peephole', { model: { cell: 'gru' } }, null)).toBe(false);
    expect(shows('model.peephole', { model: { cell: 'gru', peephole: true } }, null)).toBe(true);
    expect(shows('model.peephole', { model: { cell: 'gru' } }, 'model.peephole')).toBe(true);
  });

  it('takes its task from the file', () => {
    const taskOf = (start: string, name = 'data.jsonl') => guessTask({}, name, start);
    expect(taskOf('a,b\n1,2', 'data.csv')).toEqual({ task: 'forecasting' });
    expect(taskOf('{"input": "a", "label": "b"}\n')).toEqual({ task: 'classification' });
    expect(taskOf('{"input": [], "output": []}\n')).toEqual({ task: 'sequence_labeling' });
    expect(taskOf('{"context": "a", "text": "b"}\n')).toEqual({ task: 'conditional_generation' });
    expect(taskOf('{"text": "b"}\n')).toEqual({ text: { sequences: 'json_lines' } });
    expect(taskOf('Call me Ishmael.')).toEqual({});
  });
});
