import { setImmediate as turn } from 'node:timers/promises';
import { type Backend, createReference } from '@unfold/kernels';
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

const series = vectors.map(({ input }) => ({ values: [...input, ...input] }));

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
    await model.close();
  });

  test.each<[string, Fields & { data: object[] }, object[]]>([
    ...cases.map(([name, fields]): [string, Fields & { data: object[] }, object[]] => [name, fields, [{}]]),
    [
      'a labeling that is fed its tokens',
      { task: 'sequence_labeling', model: { recurrence: 'both', cell: 'gru' }, data: tokens },
      [{}, { beam_width: 1 }, { beam_width: 20 }],
    ],
    [
      'a labeling that is fed its numbers',
      { task: 'sequence_labeling', model: { recurrence: 'output', cell: 'elman' }, data: vectors },
      [{}],
    ],
    [
      'a forecast',
      { task: 'forecasting', model: { recurrence: 'both', cell: 'elman' }, data: series },
      [{}, { steps: 9 }, { steps: 30 }],
    ],
    [
      'a forecast with statistics of each step',
      {
        task: 'forecasting',
        model: { cell: 'lstm', norm: 'batch' },
        training: { bptt: { stateful: false } },
        data: series,
      },
      [{ steps: 12 }],
    ],
  ])('answers calls that join one another as it answers each alone: %s', async (_, fields, options) => {
    const { data: records, training, ...rest } = fields;
    const spec = tinySpec({ ...rest, training: { max_steps: 2, ...(training as object) } });
    const run = await record({ spec, data: json(records) });
    const weights = exportWeights(checkpointsOf(run).at(-1)!.data);
    const inputs = records.slice(0, 20).map((each) => {
      const { input, values } = each as { input?: string; values?: string };
      return (input ?? values)!;
    });
    for (const [, createBackend] of engines) {
      const model = await Predictor.load(weights, createBackend());
      const alone = [];
      for (const [k, input] of inputs.entries())
        alone.push(await model.predict(input, options[k % options.length]));
      const together = inputs.map(async (input, k) => {
        for (let wait = 0; wait < k; wait++) await turn();
        return model.predict(input, options[k % options.length]);
      });
      const refused = model.predictAll([inputs[0]!, 7 as never]);
      await expect(refused).rejects.toMatchObject({ param: 'input[1]' });
      expect(await Promise.all(together)).toEqual(alone);
      await model.close();
    }
  });

  test.each([
    ['a forecast', { task: 'forecasting' }, series.map(({ values }) => ({ values })), { steps: 50 }],
    ['a long input', { task: 'classification' }, texts, {}],
  ])('goes no further with what nobody waits for: %s', async (_, fields, records, options) => {
    const run = await record({
      spec: tinySpec({ ...fields, training: { max_steps: 2 } }),
      data: json(records),
    });
    const reference = createReference();
    let reads = 0;
    const backend: Backend = {
      ...reference,
      recurrentForward(call) {
        reads++;
        reference.recurrentForward(call);
      },
    };
    const model = await Predictor.load(exportWeights(checkpointsOf(run).at(-1)!.data), backend);
    const { input, values } = records[0] as { input?: string; values?: number[][] };
    const abort = new AbortController();
    const given = model.predictAll([values ?? input!.repeat(3_000)], options, abort.signal);
    while (reads < 3) await turn();
    abort.abort();
    expect(await given).toEqual([]);
    const before = reads;
    for (let wait = 0; wait < 20; wait++) await turn();
    expect(reads).toBeLessThanOrEqual(before + 1);
    const late = model.predict(values ?? input!.repeat(3_000), options);
    const refused = expect(late).rejects.toThrow('closed');
    await turn();
    await model.close();
    await refused;
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
