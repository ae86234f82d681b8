import { createReference } from '@unfold/kernels';
import { describe, expect, test } from 'vitest';
import { finalOf, resumedRun } from '../test-support/resumes.ts';
import { checkpointsOf, metricsOf, record, textFile, tinySpec } from '../test-support/runs.ts';
import { Predictor } from './predictor.ts';
import { exportWeights } from './weights/export.ts';

const lines = (rows: unknown[]): string => textFile(rows.map((row) => JSON.stringify(row)).join('\n'));
const csv = (header: string, rows: number[][]): string =>
  textFile([header, ...rows.map((row) => row.join(','))].join('\n'), 'series.csv');

const wave = (steps: number, phase = 0): number[][] =>
  Array.from({ length: steps }, (_, t) => [20 + 5 * Math.sin(t / 3 + phase), 3 + (t % 4)]);
const roll = (steps: number, phase = 0): number[][] =>
  Array.from({ length: steps }, (_, t) => [0, 1, 2].map((k) => ((t + k + phase) % 3 === 0 ? 1 : 0)));
const several = (make: (steps: number, phase: number) => number[][]): string =>
  lines(Array.from({ length: 12 }, (_, k) => ({ values: make(3 + (k % 5) * 6, k) })));

type Fields = Record<string, unknown>;
const bernoulli = { loss: 'bernoulli' };
const cases: [string, Fields & { data: () => string; width: number }][] = [
  ['the columns of a CSV file', { data: () => csv('a,b', wave(80)), width: 2 }],
  [
    'one column, without normalisation',
    { series: { columns: ['b'], normalization: 'none' }, data: () => csv('a,b', wave(80)), width: 1 },
  ],
  [
    'time steps as JSON Lines, states that start afresh, cut gradients',
    { training: { bptt: { stateful: false, window: 2 } }, data: () => lines(wave(80)), width: 2 },
  ],
  [
    'several series',
    {
      model: { cell: 'gru', num_layers: 2, dropout: 0.2, norm: 'layer' },
      data: () => several(wave),
      width: 2,
    },
  ],
  ['a piano roll', { training: bernoulli, data: () => lines(roll(80)), width: 3 }],
  [
    'several piano rolls',
    { training: bernoulli, model: { initial_state: 'learned' }, data: () => several(roll), width: 3 },
  ],
];

describe('a forecast', () => {
  test.each(cases)('resumes with the same bits, and goes on from a history: %s', async (_, fields) => {
    const { data: make, width, training, ...rest } = fields;
    const spec = tinySpec({
      task: 'forecasting',
      ...rest,
      training: {
        max_steps: 6,
        epochs: 9,
        checkpoint_every: 2,
        evaluate_every: 3,
        validation_fraction: 0.3,
        ...(training as object),
      },
    });
    const whole = await resumedRun(spec, make());
    expect(metricsOf(whole).at(-1)!.values.validation_loss).toBeGreaterThan(0);
    const model = await Predictor.load(exportWeights(finalOf(whole)), createReference());
    const binary = spec.training.loss === 'bernoulli';
    const history = (binary ? roll(20) : wave(20)).map((row) => row.slice(0, width));
    const { values } = (await model.predict(history, { steps: 3 })) as { values: number[][] };
    expect(values.map((row) => row.length)).toEqual([width, width, width]);
    if (binary) for (const value of values.flat()) expect(Math.abs(value - 0.5)).toBeLessThan(0.5);
    // Each value is the input of the next.
    const rest3 = (await model.predict([...history, values[0]!], { steps: 2 })) as { values: number[][] };
    rest3.values.flat().forEach((value, k) => {
      expect(value).toBeCloseTo(values.slice(1).flat()[k]!, 4);
    });
    await expect(model.predict(history, { beam_width: 2 })).rejects.toThrow('beam_width is for answers');
    model.close();
  });

  test('is measured over its horizon and beside a forecast that nothing changes, in units of its loss and of the data', async () => {
    const series = Array.from({ length: 60 }, (_, t) => 50 + 10 * Math.sin(t / 2) + (t % 3));
    const spec = tinySpec({
      task: 'forecasting',
      series: { horizon: 5 },
      training: { max_steps: 3, validation_fraction: 0.4, sequence_length: 30, evaluate_every: 3 },
    });
    const run = await record({
      spec,
      data: csv(
        'x',
        series.map((x) => [x]),
      ),
    });
    const values = metricsOf(run).find(({ values }) => values.validation_loss !== undefined)!.values;
    const model = await Predictor.load(exportWeights(checkpointsOf(run).at(-1)!.data), createReference());

    const training = series.slice(0, 36);
    const held = series.slice(36);
    const mean = training.reduce((a, b) => a + b) / 36;
    const variance = training.reduce((sum, x) => sum + (x - mean) ** 2, 0) / 36;
    const errors = (found: number[], wanted: number[]): number =>
      found.reduce((sum, x, k) => sum + (x - wanted[k]!) ** 2, 0) / found.length;
    const next = async (history: number[], steps: number): Promise<number[]> =>
      ((await model.predict(history, { steps })) as { values: number[][] }).values.flat();

    const forced: number[] = [];
    for (let t = 1; t < held.length; t++) forced.push(...(await next(held.slice(0, t), 1)));
    const error = errors(forced, held.slice(1));
    expect(values.validation_loss).toBeCloseTo(error / variance, 4);
    expect(values.validation_rmse).toBeCloseTo(Math.sqrt(error), 3);
    const naive = errors(held.slice(0, -1), held.slice(1));
    expect(values.naive_validation_loss).toBeCloseTo(naive / variance, 4);

    // The forecast of the 17th value is made of true ones; the five that follow are made of forecasts.
    const free = (await next(held.slice(0, 16), 6)).slice(1);
    expect(values.free_running_loss).toBeCloseTo(errors(free, held.slice(17, 22)) / variance, 4);
    const gap = errors(free, held.slice(17, 22)) - errors(forced.slice(16, 21), held.slice(17, 22));
    expect(values.free_running_gap).toBeCloseTo(gap / variance, 4);
    const stays = errors(Array(5).fill(held[15]!), held.slice(17, 22));
    expect(values.naive_free_running_loss).toBeCloseTo(stays / variance, 4);
    model.close();
  });

  test('measures series of many lengths each over its own horizon', async () => {
    const all = [40, 3, 12, 30, 2].map((steps, k) => wave(steps, k).map(([x]) => x!));
    const spec = tinySpec({
      task: 'forecasting',
      series: { horizon: 4, normalization: 'none' },
      training: { max_steps: 1, evaluate_every: 1, batch_size: 5 },
    });
    const file = () => lines(all.map((values) => ({ values })));
    const run = await record({ spec, data: file(), validation: file() });
    const { values } = metricsOf(run).at(-1)!;
    const model = await Predictor.load(exportWeights(checkpointsOf(run).at(-1)!.data), createReference());
    let free = 0;
    let naive = 0;
    let count = 0;
    for (const series of all) {
      const inputs = series.length - 1;
      const warm = Math.min(16, Math.max(Math.floor(inputs / 2), inputs - 4));
      const wanted = series.slice(warm + 1, warm + 5);
      if (warm === 0) continue;
      const found = (await model.predict(series.slice(0, warm), { steps: 1 + wanted.length })) as {
        values: number[][];
      };
      wanted.forEach((x, k) => {
        free += (x - found.values[k + 1]![0]!) ** 2;
        naive += (x - series[warm - 1]!) ** 2;
        count++;
      });
    }
    expect(values.free_running_loss! / (free / count)).toBeCloseTo(1, 4);
    expect(values.naive_free_running_loss! / (naive / count)).toBeCloseTo(1, 4);
    model.close();
  });

  test.each([
    ['squared_error', () => csv('a,b', wave(80))],
    ['bernoulli', () => lines(roll(80))],
  ])('tells its gradients through time, over windows: %s', async (loss, data) => {
    const model = { cell: 'gru', num_layers: 2 };
    const training = { loss, max_steps: 1, diagnostics_every: 1 };
    const { events } = await record({
      spec: tinySpec({ task: 'forecasting', model, training }),
      data: data(),
    });
    const told = events.flatMap((event) => (event.type === 'diagnostic' ? [event] : []));
    expect(told.map(({ name }) => name)).toEqual([
      'gradients_through_time',
      'spectral_radius',
      'saturation',
      'gradient_norms',
    ]);
    const { layers } = told[0]!.data as { layers: { h: number[] }[] };
    expect(layers.map(({ h }) => h.length)).toEqual([5, 5]);
    for (const value of layers.flatMap(({ h }) => h)) expect(value).toBeGreaterThan(0);
  });

  test('reads a history of any length in pieces, as it would at once', async () => {
    const spec = tinySpec({ task: 'forecasting', training: { max_steps: 2 } });
    const run = await record({ spec, data: csv('a,b', wave(80)) });
    const model = await Predictor.load(exportWeights(checkpointsOf(run).at(-1)!.data), createReference());
    const history = wave(700);
    // The states forget the beginning to the last bit, as long as nothing is lost between two pieces.
    expect(await model.predict(history)).toEqual(await model.predict(history.slice(1)));
    expect(await model.predict(history)).not.toEqual(await model.predict(history.slice(0, -1)));
    model.close();
  });

  test('refuses what it cannot go on from, naming field, place, and what was expected', async () => {
    const load = async (training: object, data: string) => {
      const spec = tinySpec({ task: 'forecasting', training: { max_steps: 1, ...training } });
      const run = await record({ spec, data });
      return Predictor.load(exportWeights(checkpointsOf(run).at(-1)!.data), createReference());
    };
    const model = await load({}, csv('a,b', wave(80)));
    const refusal = (value: unknown, options = {}) =>
      model.predict(value as never, options).then(
        () => 'none',
        (error: { message: string; param: string }) => `${error.param}: ${error.message}`,
      );
    const vectors =
      'input: Expected a list of vectors of 2 numbers that is not empty for input, but received';
    expect(await refusal('text')).toBe(`${vectors} "text".`);
    expect(await refusal([])).toBe(`${vectors} a list of 0.`);
    expect(await refusal([[1, 2], 3])).toBe(`${vectors} 3 at input[1].`);
    expect(await refusal([[1, 2, 3]])).toBe(`${vectors} a list of 3 at input[0].`);
    expect(await refusal([[1, '2']])).toBe(`${vectors} "2" at input[0][1].`);
    expect(await refusal([[1, 1e60]])).toBe(`${vectors} 1e+60 at input[0][1].`);
    const range = 'steps: Expected a whole number from 1 to 4096 for steps, but received';
    expect(await refusal([[1, 2]], { steps: 0 })).toBe(`${range} 0.`);
    expect(await refusal([[1, 2]], { steps: 5000 })).toBe(`${range} 5000.`);
    model.close();
    const rolls = await load(bernoulli, lines(roll(80)));
    await expect(rolls.predict([[0, 1, 2]])).rejects.toThrow('received 2 at input[0][2]');
    rolls.close();
  });
});
