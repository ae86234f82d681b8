import { expect, test } from 'vitest';
import type { Backend, RecurrentForward, RecurrentLayer, RecurrentParameters } from '../backend.ts';
import { createTruth } from './engines.ts';
import { Harness } from './harness.ts';

const [T, N, C, H] = [4, 5, 3, 40];
const sizes = { inputSize: C, hiddenSize: H, input: 'dense' } as const;

function outputs(
  backend: Backend,
  layer: RecurrentLayer,
  parameters: RecurrentParameters,
  options: Partial<RecurrentForward> = {},
) {
  const h = new Harness(backend);
  const input = h.real('x', [T, N, C]);
  const [output, hT, cT] = [h.empty([T, N, H]), h.empty([N, H]), h.empty([N, H])];
  const isLstm = layer.cell === 'lstm';
  const states = { h0: h.real('h0', [N, H]), c0: isLstm ? h.real('c0', [N, H]) : null };
  const call = { layer, parameters, input, ...states, output, hT, cT: isLstm ? cT : null, saved: null };
  backend.recurrentForward({ ...call, ...options });
  return h.read({ output, hT, cT });
}

test('zoneout keeps the named share of units, of h and of c each by itself, and gives their expectation at inference', async () => {
  const backend = createTruth();
  const layer: RecurrentLayer = { ...sizes, cell: 'lstm', zoneout: { hidden: 0.25, cell: 0.5 } };
  const h = new Harness(backend);
  const parameters = h.recurrent('p', layer);
  const one = { input: h.real('x', [1, N, C]), output: h.empty([1, N, H]) };
  const training = { seed: 1, step: 4, layer: 0, sequences: null };
  const old = await h.read({ h: h.real('h0', [N, H]), c: h.real('c0', [N, H]) });
  const { zoneout: _, ...plain } = layer;
  const fresh = await outputs(backend, plain, parameters, one);
  const mixed = await outputs(backend, layer, parameters, { ...one, training });
  const mean = await outputs(backend, layer, parameters, one);
  for (const [name, before, rate] of [
    ['hT', old.h!, 0.25],
    ['cT', old.c!, 0.5],
  ] as const) {
    const kept = mixed[name]!.filter((value, i) => {
      expect([before[i], fresh[name]![i]]).toContain(value);
      return value === before[i];
    });
    expect(Math.abs(kept.length / (N * H) - rate)).toBeLessThan(0.12);
    for (const [i, value] of mean[name]!.entries())
      expect(value).toBeCloseTo(rate * before[i]! + (1 - rate) * fresh[name]![i]!, 12);
  }
});

test('a layer without recurrence does at every step what one step alone does', async () => {
  const backend = createTruth();
  const layer: RecurrentLayer = { ...sizes, cell: 'elman', recurrent: false };
  const h = new Harness(backend);
  const parameters = h.recurrent('p', layer);
  const input = h.real('x', [T, N, C]);
  const none = { h0: null, c0: null, hT: null, cT: null, saved: null };
  const whole = h.empty([T, N, H]);
  backend.recurrentForward({ layer, parameters, input, ...none, output: whole });
  const flat = h.empty([1, T * N, H]);
  const row = h.empty([1, T * N, C]);
  backend.upload(row, await backend.download(input));
  backend.recurrentForward({ layer, parameters, input: row, ...none, output: flat });
  expect(await backend.download(flat)).toEqual(await backend.download(whole));
  expect(() =>
    backend.recurrentForward({ layer, parameters, input, ...none, hT: h.empty([N, H]), output: whole }),
  ).toThrow('Expected no states');
});

test('batch normalisation takes its statistics from rows that are not padding, moves the running ones, and uses those at inference', async () => {
  const backend = createTruth();
  const layer: RecurrentLayer = { ...sizes, cell: 'elman', norm: 'batch', normSteps: 3 };
  const h = new Harness(backend);
  const parameters = h.recurrent('p', layer);
  backend.upload(parameters.weightHh!, new Float64Array(H * H));
  const role = { use: 'norm_statistics', layer, of: 'moments' } as const;
  const statistics = {
    mean: backend.createParameter(role),
    variance: backend.createParameter(role),
    batches: backend.createParameter({ ...role, of: 'batches' }),
  };
  const lengths = backend.createTensor([N], 'int');
  // Two rows have a second step, one has a third.
  backend.upload(lengths, [1, 2, 3, 1, 1]);
  const training = { seed: 1, step: 0, layer: 0, sequences: null };
  const input = h.real('x', [T, N, C]);
  const call = { input, lengths, training, statistics };
  const first = await outputs(backend, layer, parameters, call);
  const seen = await h.read(statistics);
  expect(seen.batches).toEqual([1, 1, 0]);

  const [x, u] = [await backend.download(input), await backend.download(parameters.weightIh)];
  const product = (t: number, n: number) =>
    Array.from({ length: C }, (_, k) => x[(t * N + n) * C + k]! * u[k]!).reduce((a, b) => a + b);
  for (const [t, rows] of [
    [0, [0, 1, 2, 3, 4]],
    [1, [1, 2]],
  ] as const) {
    const values = rows.map((n) => product(t, n));
    const mean = values.reduce((a, b) => a + b) / values.length;
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1);
    expect(seen.mean![t * 2 * H]).toBeCloseTo(mean, 12);
    expect(seen.variance![t * 2 * H]).toBeCloseTo(variance, 12);
  }

  // The second batch moves them by half, and padding may hold anything.
  const padded = Float64Array.from(x);
  for (let t = 1; t < T; t++) padded.fill(9, t * N * C, t * N * C + C);
  backend.upload(input, padded);
  expect(await outputs(backend, layer, parameters, call)).toEqual(first);
  expect((await h.read(statistics)).batches).toEqual([2, 2, 0]);

  // Steps beyond the last that was seen share its statistics.
  const whole = await outputs(backend, layer, parameters, {
    input: h.real('same', [1, N, C]),
    statistics,
    output: h.empty([1, N, H]),
    firstStep: 1,
  });
  const later = await outputs(backend, layer, parameters, {
    input: h.real('same', [1, N, C]),
    statistics,
    output: h.empty([1, N, H]),
    firstStep: 7,
  });
  expect(later.hT).toEqual(whole.hT);
  const start = await outputs(backend, layer, parameters, {
    input: h.real('same', [1, N, C]),
    statistics,
    output: h.empty([1, N, H]),
    firstStep: 0,
  });
  expect(start.hT).not.toEqual(whole.hT);
});

test('an option that a cell has no place for is refused, and so is a parameter that no option calls for', () => {
  const backend = createTruth();
  for (const [options, message] of [
    [{ cell: 'gru', peephole: true }, 'Expected peephole only in lstm'],
    [{ cell: 'lstm', reset: 'before' }, 'Expected reset before only in gru'],
    [{ cell: 'lstm', recurrent: false }, 'Expected recurrent false only in elman'],
    [{ cell: 'elman', recurrentDropout: 0.1 }, 'Expected recurrentDropout only in lstm and gru'],
    [{ cell: 'gru', candidateActivation: 'relu' }, 'Expected candidateActivation only in lstm'],
    [{ cell: 'gru', zoneout: { hidden: 0, cell: 0.1 } }, 'Expected zoneout of cells only in lstm'],
    [{ cell: 'elman', recurrent: false, zoneout: { hidden: 0.1, cell: 0 } }, 'no zoneout'],
    [{ cell: 'lstm', zoneout: { hidden: 1, cell: 0 } }, 'at least 0 and below 1'],
    [{ cell: 'lstm', norm: 'batch' }, 'normSteps'],
  ] as const)
    expect(() => backend.createSaved({ ...sizes, ...options }, 1, 1)).toThrow(message);

  const layer: RecurrentLayer = { ...sizes, cell: 'lstm', peephole: true };
  const parameters = new Harness(backend).recurrent('p', layer);
  const input = backend.createTensor([N, C]);
  const states = { h: backend.createTensor([N, H]), c: backend.createTensor([N, H]) };
  expect(() =>
    backend.recurrentStep({ layer: { ...layer, peephole: false }, parameters, input, ...states }),
  ).toThrow('Expected no peephole');
  expect(() =>
    backend.recurrentStep({ layer, parameters: { ...parameters, peephole: null }, input, ...states }),
  ).toThrow('Expected a parameter for peephole');
});

test('recurrent dropout scales what it keeps, and inference is the plain cell', async () => {
  const backend = createTruth();
  const layer: RecurrentLayer = { ...sizes, cell: 'gru', recurrentDropout: 0.5 };
  const { recurrentDropout: _, ...plain } = layer;
  const h = new Harness(backend);
  const parameters = h.recurrent('p', plain);
  const one = { input: h.real('x', [1, N, C]), output: h.empty([1, N, H]) };
  const fresh = await outputs(backend, plain, parameters, one);
  expect(await outputs(backend, layer, parameters, one)).toEqual(fresh);
  const training = { seed: 1, step: 4, layer: 0, sequences: null };
  const zeros = { h0: null };
  const dropped = await outputs(backend, layer, parameters, { ...one, ...zeros, training });
  const whole = await outputs(backend, plain, parameters, { ...one, ...zeros });
  // From a state of zeros, h = (1 − z) n.
  const ratios = dropped.hT!.map((value, i) => value / whole.hT![i]!);
  for (const ratio of ratios) expect(Math.min(Math.abs(ratio), Math.abs(ratio - 2))).toBeLessThan(1e-12);
  expect(Math.abs(ratios.filter((ratio) => ratio === 0).length / (N * H) - 0.5)).toBeLessThan(0.15);
});
