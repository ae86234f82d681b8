import { createReference } from '@unfold/kernels';
import { describe, expect, test } from 'vitest';
import { engines } from '../test-support/completions.ts';
import { finalOf, resumedRun } from '../test-support/resumes.ts';
import { checkpointsOf, metricsOf, record, textFile, tinySpec } from '../test-support/runs.ts';
import { Predictor } from './predictor.ts';
import { exportWeights } from './weights/export.ts';

const json = (records: object[]): string => textFile(records.map((each) => JSON.stringify(each)).join('\n'));

const texts = Array.from({ length: 40 }, (_, k) => {
  const label = k % 2 ? 'ends in b' : 'ends in a';
  return { input: `${'ab'.repeat(1 + (k % 5))}${'a'.repeat(k % 3)}${k % 2 ? 'b' : 'a'}`, label };
});
const tokens = Array.from({ length: 40 }, (_, k) => {
  const input = Array.from({ length: 2 + (k % 5) }, (_, t) => ((k >> t) & 1 ? 'x' : 'y'));
  // What stands next: only a reading from the end knows it. Nothing is asked of the first step.
  return { input, output: input.map((_, t) => (t === 0 ? null : `next ${input[t + 1] ?? 'none'}`)) };
});
const vectors = Array.from({ length: 40 }, (_, k) => {
  const input = Array.from({ length: 2 + (k % 4) }, (_, t) => [((k * 7 + t * 3) % 5) / 5, 1]);
  let sum = 0;
  return { input, output: input.map(([x]) => [(sum += x!)]) };
});

type Fields = Record<string, unknown>;
const cases: [string, Fields & { data: object[] }][] = [
  ['a classification of texts', { task: 'classification', data: texts }],
  [
    'a classification read both ways, gradients cut by records alone',
    { task: 'classification', model: { bidirectional: true, num_layers: 2, cell: 'gru' }, data: texts },
  ],
  [
    'a classification with cut gradients',
    { task: 'classification', training: { bptt: { window: 2 } }, data: texts },
  ],
  [
    'a labeling read both ways',
    { task: 'sequence_labeling', model: { bidirectional: true, num_layers: 2, dropout: 0.2 }, data: tokens },
  ],
  ['a labeling with an embedding', { task: 'sequence_labeling', model: { embedding_size: 3 }, data: tokens }],
  ['a labeling of vectors', { task: 'sequence_labeling', data: vectors }],
];

describe('a network that answers for a sequence', () => {
  test.each(cases)('resumes with the same bits, and predicts from its export: %s', async (_, fields) => {
    const { data: records, training, ...rest } = fields;
    const spec = tinySpec({
      ...rest,
      training: { max_steps: 6, checkpoint_every: 2, ...(training as object) },
    });
    const whole = await resumedRun(spec, json(records));
    const model = await Predictor.load(exportWeights(finalOf(whole)), createReference());
    const { input } = records[0] as { input: string };
    const found = await model.predict(input);
    if ('label' in found)
      expect(Object.values(found.probabilities).reduce((a, b) => a + b)).toBeCloseTo(1, 6);
    else expect(Object.values(found)[0]).toHaveLength(input.length);
    await expect(model.predict(7 as never)).rejects.toThrow('for input');
    model.close();
  });

  test.each(cases)('answers many inputs as it answers each alone: %s', async (_, fields) => {
    const { data: records, training, ...rest } = fields;
    const spec = tinySpec({ ...rest, training: { max_steps: 4, ...(training as object) } });
    const run = await record({ spec, data: json(records) });
    const weights = exportWeights(checkpointsOf(run).at(-1)!.data);
    for (const [, createBackend] of engines) {
      const model = await Predictor.load(weights, createBackend());
      const inputs = records.map((each) => (each as { input: string }).input);
      const alone = [];
      for (const input of inputs) alone.push(await model.predict(input));
      expect(await model.predictAll(inputs)).toEqual(alone);
      await expect(model.predictAll([inputs[0]!, 7 as never])).rejects.toMatchObject({ param: 'input[1]' });
      model.close();
    }
  });

  test.each(cases)('reads long inputs in turns, with the bits of each alone: %s', async (_, fields) => {
    const { data: records, training, ...rest } = fields;
    const spec = tinySpec({ ...rest, training: { max_steps: 4, ...(training as object) } });
    const run = await record({ spec, data: json(records) });
    const model = await Predictor.load(exportWeights(checkpointsOf(run).at(-1)!.data), createReference());
    const longer = (input: string | unknown[], times: number) =>
      typeof input === 'string' ? input.repeat(times) : Array(times).fill(input).flat();
    const inputs = records
      .slice(0, 20)
      .map((each, k) => longer((each as { input: string }).input, 10 + 5 * k) as string);
    const alone = [];
    for (const input of inputs) alone.push(await model.predict(input));
    expect(await model.predictAll(inputs)).toEqual(alone);
    // A network that reads both ways says nothing before it has read everything.
    const pauses = (rest.model as { bidirectional?: boolean } | undefined)?.bidirectional ? 0 : 1;
    const long = longer(inputs[19]!, Math.ceil(400 / inputs[19]!.length)) as string;
    let turns = 0;
    const ask = (most: number) => model.predictAll([long], {}, async () => ++turns <= most);
    expect(await ask(100)).toHaveLength(1);
    expect(turns).toBe(1 + pauses * (Math.ceil(model.stepsOf(long) / 256) - 1));
    turns = 0;
    expect(await ask(1)).toHaveLength(1 - pauses);
    model.close();
  });

  test('goes no further with a forecast that nobody waits for', async () => {
    const data = vectors.map(({ input }) => ({ values: input }));
    const run = await record({
      spec: tinySpec({ task: 'forecasting', training: { max_steps: 2 } }),
      data: json(data),
    });
    const model = await Predictor.load(exportWeights(checkpointsOf(run).at(-1)!.data), createReference());
    let turns = 0;
    const ask = (most: number) =>
      model.predictAll([vectors[0]!.input], { steps: 50 }, async () => ++turns <= most);
    expect(await ask(100)).toHaveLength(1);
    turns = 0;
    expect(await ask(5)).toEqual([]);
    expect(turns).toBe(6);
    model.close();
  });

  test('answers with nothing but finite numbers, and refuses inputs that lead to others', async () => {
    const label = (k: number) => ({ input: vectors[k]!.input, label: 'ab'[k % 2] });
    const cases = [
      { task: 'classification', data: vectors.map((_, k) => label(k)) },
      { task: 'sequence_labeling', data: vectors },
      { task: 'forecasting', data: vectors.map(({ input }) => ({ values: input })) },
    ];
    for (const { task, data } of cases) {
      // Unbounded units keep an infinity, and lead to its difference from another.
      const model = { cell: 'elman', activation: 'relu' };
      const spec = tinySpec({ task, model, training: { max_steps: 1 }, series: { normalization: 'none' } });
      const run = await record({ spec, data: json(data) });
      const predictor = await Predictor.load(
        exportWeights(checkpointsOf(run).at(-1)!.data),
        createReference(),
      );
      const huge = Array.from({ length: 9 }, () => [3.4e38, -3.4e38]);
      const back = Array.from({ length: 9 }, () => [-3.4e38, 3.4e38]);
      await expect(predictor.predict([...huge, ...back], {})).rejects.toMatchObject({
        code: 'invalid_value',
        param: 'input',
      });
      predictor.close();
    }
  });

  test.each([
    ['classification', {}, texts, 0.9],
    ['sequence_labeling', { bidirectional: true }, tokens, 0.9],
  ])('learns what is easy: %s', async (task, model, records, goal) => {
    const spec = tinySpec({
      task,
      model: { hidden_size: 10, ...model },
      training: { epochs: 30, batch_size: 8, optimizer: { learning_rate: 0.03 }, evaluate_every: 1000 },
    });
    const run = await record({ spec, data: json(records) });
    expect(metricsOf(run).at(-1)!.values.validation_accuracy).toBeGreaterThan(goal);
    const predictor = await Predictor.load(exportWeights(checkpointsOf(run).at(-1)!.data), createReference());
    if (task === 'classification')
      expect(await predictor.predict('abababb')).toMatchObject({ label: 'ends in b' });
    else
      expect(await predictor.predict(['x', 'y', 'x'])).toMatchObject({
        tags: [expect.any(String), 'next x', 'next none'],
      });
  });
});
