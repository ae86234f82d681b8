import type { JobSpecInput } from '@unfold/contracts';
import { inspectWeights } from '@unfold/rnn';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { curveOf, type Lab, openLab, project, smallSpec, weightsOf } from './lab.ts';

const json = (count: number, record: (k: number) => object): string =>
  Array.from({ length: count }, (_, k) => `${JSON.stringify(record(k))}\n`).join('');

const lines = 'ab\nabb\nb\naabba\nba\nabab\nbb\na\nbbbab\naa\nbab\nabba\n';
const texts = json(20, (k) => ({ context: k % 2 ? 'odd' : 'even', text: 'ab'.repeat(1 + (k % 4)) }));
const labels = json(20, (k) => ({ input: 'ab'.repeat(1 + (k % 4)), label: k % 2 ? 'odd' : 'even' }));
const tags = json(20, (k) => ({
  input: ['x', k % 3 ? 'y' : 'z'],
  output: ['first', k % 2 ? 'odd' : 'even'],
}));
const vectors = json(20, (k) => ({
  input: [
    [k, 1],
    [k % 3, 2],
  ],
  output: [[k], [k + 1]],
}));
const series = Array.from({ length: 400 }, (_, t) => `${t % 7},${t % 3}\n`).join('');

const usual = ['loss', 'gradient_norm', 'learning_rate', 'epoch', 'validation_loss'];
const ofText = [...usual, 'perplexity', 'bits_per_character', 'accuracy'];
const ofNames = [...usual, 'perplexity', 'accuracy', 'validation_accuracy'];
const fed = ['free_running_loss', 'free_running_accuracy', 'free_running_gap'];

const model = { hidden_size: 8, num_layers: 1 };
/** Names of the curve's series, and the text of a warning, by what is trained. */
const cases: [string, string, Partial<JobSpecInput>, { series: string[]; warning?: string }][] = [
  ['lines', lines, { text: { sequences: 'lines' } }, { series: ofText }],
  [
    'lines that end by a coin',
    lines,
    { text: { sequences: 'lines' }, model: { ...model, length: 'bernoulli' } },
    { series: [...ofText, 'length_loss', 'validation_length_loss'] },
  ],
  [
    'a bigram model',
    lines,
    { text: { sequences: 'lines' }, model: { ...model, cell: 'elman', recurrence: 'output' } },
    { series: ofText, warning: 'bigram' },
  ],
  ['texts with a context', texts, { task: 'conditional_generation' }, { series: ofText }],
  ['labels', labels, { task: 'classification' }, { series: ofNames }],
  ['tags', tags, { task: 'sequence_labeling' }, { series: ofNames }],
  [
    'tags that are fed back',
    tags,
    { task: 'sequence_labeling', model: { ...model, cell: 'elman', recurrence: 'output' } },
    { series: [...ofNames, ...fed] },
  ],
  ['vectors', vectors, { task: 'sequence_labeling' }, { series: usual }],
  [
    'a series',
    series,
    { task: 'forecasting' },
    {
      series: [
        ...usual,
        'free_running_loss',
        'free_running_gap',
        'naive_validation_loss',
        'naive_free_running_loss',
      ],
    },
  ],
];

describe('a worker', () => {
  let lab: Lab;
  beforeAll(async () => {
    lab = await openLab('PostgreSQL');
    await lab.startWorker();
  });
  afterAll(async () => lab?.close());

  it.each(cases)('trains on %s, and tells all that is measured', async (_, data, more, told) => {
    const training = { max_steps: 12, evaluate_every: 6, checkpoint_every: 6 };
    const { id } = await lab.submit(smallSpec(await lab.upload(data), training, { model, ...more }));
    const job = await lab.reaches(id, 'succeeded', 60_000);
    const curve = await curveOf(lab, id);
    expect(Object.keys(curve.series)).toEqual(expect.arrayContaining(told.series));
    for (const name of told.series)
      expect(curve.series[name]!.filter((value) => value !== null).length, name).toBeGreaterThan(1);
    const warnings = (await lab.frames(id)).flatMap((frame) =>
      frame.type === 'log' && frame.level === 'warning' ? [frame.message] : [],
    );
    expect(warnings.filter((message) => message.includes('recurrence'))).toHaveLength(told.warning ? 1 : 0);
    const { spec, parameters } = inspectWeights(await weightsOf(lab, id));
    expect(spec.task).toBe(job.spec.task);
    expect(await lab.store.models.get(project, job.model_id!)).toMatchObject({ parameters });
  });
});
