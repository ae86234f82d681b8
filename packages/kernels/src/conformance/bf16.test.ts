import { describe, expect, test } from 'vitest';
import { kernelCases } from './cases.ts';
import { createTruth, engines } from './engines.ts';
import { Harness, valuesOf } from './harness.ts';

const inBf16 = engines.filter(({ precision }) => precision === 'bf16');

/** Of a bfloat16's eight significant bits; exact for magnitudes that are not tiny. */
function nearest(x: number): number {
  const size = 2 ** (Math.floor(Math.log2(Math.abs(x))) - 7);
  const whole = Math.floor(x / size);
  const rest = x / size - whole;
  const up = rest > 0.5 || (rest === 0.5 && whole % 2 !== 0);
  return (up ? whole + 1 : whole) * size;
}

describe.each(inBf16)('$name', ({ create }) => {
  test('operands of a product are rounded to the nearest bfloat16, ties to even', async () => {
    const backend = await create();
    const cases: [from: number, to: number][] = [
      [1 + 2 ** -8, 1],
      [1 + 2 ** -8 + 2 ** -23, 1 + 2 ** -7],
      [1 + 3 * 2 ** -8, 1 + 2 ** -6],
      [-(1 + 3 * 2 ** -8), -(1 + 2 ** -6)],
      [255.75, 256],
      [0.1, 0.10009765625],
      [-0, 0],
      [3.4028234e38, Number.POSITIVE_INFINITY],
      [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY],
      [Number.NaN, Number.NaN],
    ];
    const column = backend.createTensor([cases.length, 1]);
    const one = backend.createTensor([1, 1]);
    const output = backend.createTensor([cases.length, 1]);
    backend.upload(
      column,
      cases.map(([from]) => from),
    );
    backend.upload(one, [1]);
    const expected = cases.map(([, to]) => to);
    backend.matmul({ a: column, b: one, output });
    expect([...(await backend.download(output))]).toEqual(expected);
    const row = backend.createTensor([1, cases.length]);
    backend.matmul({ a: one, b: column, transposeB: true, output: row });
    expect([...(await backend.download(row))]).toEqual(expected);
    backend.close();
  });

  test('products are as far from the truth as rounded operands make them, and no further', async () => {
    const backend = await create();
    const truth = createTruth();
    // At the kink of a rectifier the smallest difference may switch a gradient off.
    const smooth = kernelCases.filter(
      ({ name }) => /^(recurrent|dense)/.test(name) && !name.includes('relu'),
    );
    for (const { name, run } of smooth) {
      const own = new Harness(backend);
      const results = await own.read(run(own));
      const exact = new Harness(truth);
      const expected = await exact.read(run(exact));
      for (const [label, values] of Object.entries(expected)) {
        const size = Math.max(1e-3, ...values.map(Math.abs));
        const worst = Math.max(...values.map((value, i) => Math.abs(value - results[label]![i]!)));
        expect(worst / size, `${name}: ${label}`).toBeLessThan(0.03);
      }
    }
    backend.close();
    truth.close();
  });
});

// The reference sums in double.
describe.each(inBf16.filter(({ name }) => name.startsWith('native')))('$name', ({ create }) => {
  test.each([1, 2, 5, 64, 301])(
    'sums of %i products take the odd element of a pair first, then the even one, each rounded to float32',
    async (K) => {
      const backend = await create();
      const [M, P] = [9, 77];
      // Away from zero, so that what JavaScript's doubles add is exact until it is rounded to float32.
      const away = (label: string, count: number) =>
        valuesOf(label, count).map((x) => (x < 0 ? x - 0.25 : x + 0.25));
      const [a, b, before] = [away('a', M * K), away('b', K * P), away('before', M * P)];
      const tensor = (shape: number[], values: Float32Array) => {
        const made = backend.createTensor(shape);
        backend.upload(made, values);
        return made;
      };
      const output = tensor([M, P], before);
      backend.matmul({ a: tensor([M, K], a), b: tensor([K, P], b), output, accumulate: true });
      const expected = before.map((start, at) => {
        const [row, column] = [Math.floor(at / P), at % P];
        const product = (k: number) => (k < K ? nearest(a[row * K + k]!) * nearest(b[k * P + column]!) : 0);
        let sum = start;
        for (let k = 0; k < K; k += 2) sum = Math.fround(Math.fround(sum + product(k + 1)) + product(k));
        return sum;
      });
      expect(await backend.download(output)).toEqual(expected);
      backend.close();
    },
  );

  test('denormal operands and sums count as zero', async () => {
    const backend = await create();
    const a = backend.createTensor([1, 2]);
    const b = backend.createTensor([2, 3]);
    const output = backend.createTensor([1, 3]);
    backend.upload(a, [2 ** -130, 2 ** -100]);
    backend.upload(b, [2 ** 127, 1, 1, 0, 2 ** -30, 2 ** -20]);
    backend.matmul({ a, b, output });
    expect([...(await backend.download(output))]).toEqual([0, 0, 2 ** -120]);
    backend.close();
  });
});
