import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Backend } from '../backend.ts';
import { kernelCases } from './cases.ts';
import { createTruths, engines } from './engines.ts';
import { Harness, namesWithNaN } from './harness.ts';

const truthOf = createTruths(async (truth, { run }: (typeof kernelCases)[number]) => {
  const exact = new Harness(truth);
  return exact.read(run(exact));
});

describe.each(engines)('$name', ({ create, precision, isSlow = false }) => {
  let backend: Backend;
  beforeAll(async () => {
    backend = await create();
  });
  afterAll(() => backend.close());

  test.each(kernelCases)('agrees with the truth: $name', async (kernelCase) => {
    const { run, tolerance, toleranceBf16 = tolerance } = kernelCase;
    const own = new Harness(backend);
    const results = await own.read(run(own));
    const expected = await truthOf(precision, kernelCase);
    for (const [name, values] of Object.entries(expected)) {
      const size = Math.max(1e-3, ...values.map(Math.abs));
      const worst = Math.max(0, ...values.map((value, i) => Math.abs(value - results[name]![i]!)));
      expect(results[name], name).toHaveLength(values.length);
      expect(worst / size, name).toBeLessThanOrEqual(precision === 'bf16' ? toleranceBf16 : tolerance);
    }
  });

  const poisoned = kernelCases.filter(({ isLarge = false }) => !(isSlow && isLarge));
  test.each(poisoned)('NaN in any input comes out: $name', async ({ run }) => {
    const healthy = new Harness(backend);
    const before = await healthy.read(run(healthy));
    expect(namesWithNaN(before)).toEqual([]);
    const poisoned = healthy.labels.map((label) => {
      const sick = new Harness(backend, label);
      return sick.read(run(sick));
    });
    for (const [place, results] of (await Promise.all(poisoned)).entries())
      expect(namesWithNaN(results), healthy.labels[place]).not.toEqual([]);
  });

  test('the finite check counts NaN and both infinities, in reals and doubles', async () => {
    const tensor = backend.createTensor([5]);
    backend.upload(tensor, [1, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0]);
    const loss = backend.createTensor([1], 'double');
    backend.upload(loss, [Number.NaN]);
    const count = backend.createTensor([1], 'double');
    backend.countNonFinite({ tensors: [tensor, loss], count });
    expect([...(await backend.download(count))]).toEqual([4]);
  });

  test('targets of −1 have no loss and no gradient, whatever their logits', async () => {
    const logits = backend.createTensor([3, 2]);
    backend.upload(logits, [1, 2, Number.NaN, 0, 3, 1]);
    const targets = backend.createTensor([3], 'int');
    backend.upload(targets, [0, -1, 1]);
    const [loss, losses, dLogits] = [
      backend.createTensor([1], 'double'),
      backend.createTensor([3]),
      backend.createTensor([3, 2]),
    ];
    backend.softmaxCrossEntropy({ logits, targets, count: 2, loss, losses, dLogits });
    const each = [Math.log(1 + Math.E), 0, Math.log(1 + Math.exp(2))];
    const got = await backend.download(losses);
    for (const [i, value] of each.entries()) expect(got[i]).toBeCloseTo(value, 6);
    expect((await backend.download(loss))[0]).toBeCloseTo((each[0]! + each[2]!) / 2, 6);
    expect([...(await backend.download(dLogits))].slice(2, 4)).toEqual([0, 0]);
  });

  test('losses and right predictions of a step add up over its chunks; of equal logits the first one is the prediction', async () => {
    const logits = backend.createTensor([4, 1, 3]);
    backend.upload(logits, [1, 2, 0, 2, 2, 0, 2, 2, 0, 0, 0, 9]);
    const targets = backend.createTensor([4, 1], 'int');
    backend.upload(targets, [1, 1, 0, -1]);
    const scalars = () => [backend.createTensor([1], 'double'), backend.createTensor([1], 'double')] as const;
    const [loss, correct] = scalars();
    const fixed = { count: 3, losses: null, dLogits: null };
    backend.softmaxCrossEntropy({ logits, targets, loss, correct, ...fixed });
    const [sum, hits] = scalars();
    for (const first of [0, 2])
      backend.softmaxCrossEntropy({
        logits: backend.view(logits, first, 2),
        targets: backend.view(targets, first, 2),
        loss: sum,
        correct: hits,
        accumulate: first > 0,
        ...fixed,
      });
    expect((await backend.download(sum))[0]).toBeCloseTo((await backend.download(loss))[0]!, 6);
    expect([...(await backend.download(correct)), ...(await backend.download(hits))]).toEqual([2, 2]);
  });

  test('dropout keeps the expectation, follows its key, and does not depend on padding or order', async () => {
    const [T, N, H] = [4, 3, 50];
    const ones = backend.createTensor([T, N, H]);
    backend.upload(ones, new Float32Array(T * N * H).fill(1));
    const output = backend.createTensor([T, N, H]);
    const key = { rate: 0.25, seed: 9, purpose: 2, step: 5, layer: 1 };
    backend.dropout({ input: ones, output, ...key, sequences: null });
    const all = await backend.download(output);
    const mean = [...all].reduce((sum, value) => sum + value, 0) / all.length;
    expect(Math.abs(mean - 1)).toBeLessThan(0.1);

    // Steps 2 and 3 of the sequences 2 and 0 alone.
    const part = backend.createTensor([2, 2, H]);
    backend.upload(part, new Float32Array(2 * 2 * H).fill(1));
    const rows = backend.createTensor([2], 'int');
    backend.upload(rows, [2, 0]);
    backend.dropout({ input: part, output: part, ...key, sequences: rows, firstStep: 2 });
    const few = await backend.download(part);
    for (const [at, t, n] of [
      [0, 2, 2],
      [1, 2, 0],
      [2, 3, 2],
      [3, 3, 0],
    ] as const)
      expect([...few.slice(at * H, (at + 1) * H)]).toEqual([
        ...all.slice((t * N + n) * H, (t * N + n + 1) * H),
      ]);

    for (const change of [{ seed: 10 }, { purpose: 3 }, { step: 6 }, { layer: 2 }]) {
      backend.dropout({ input: ones, output, ...key, ...change, sequences: null });
      expect([...(await backend.download(output))]).not.toEqual([...all]);
    }
  });

  test('clipping by norm leaves small gradients alone and brings large ones to the maximum', async () => {
    const gradient = backend.createTensor([2]);
    const norm = backend.createTensor([1], 'double');
    backend.upload(gradient, [3, 4]);
    backend.globalNorm({ tensors: [gradient], norm });
    backend.clipByNorm({ tensors: [gradient], norm, maximum: 6 });
    expect([...(await backend.download(gradient))]).toEqual([3, 4]);
    backend.clipByNorm({ tensors: [gradient], norm, maximum: 1 });
    const [x, y] = await backend.download(gradient);
    expect(Math.hypot(x!, y!)).toBeCloseTo(1, 5);
  });
});
