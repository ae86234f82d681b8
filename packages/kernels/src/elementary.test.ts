import { expect, test } from 'vitest';
import { exponential, hyperbolicTangent, logarithm, sigmoid, wholePower } from './elementary.ts';

const grid = Array.from({ length: 200_001 }, (_, i) => (i - 100_000) / 141.3);

function worst(
  ours: (x: number) => number,
  theirs: (x: number) => number,
  from: number,
  to: number,
  scale = 1,
): number {
  let largest = 0;
  for (const point of grid) {
    const x = point * scale;
    if (x < from || x > to) continue;
    const expected = theirs(x);
    const error = expected === 0 ? Math.abs(ours(x)) : Math.abs(ours(x) / expected - 1);
    if (!(error <= largest)) largest = error;
  }
  return largest;
}

test('functions stay within their documented relative errors', () => {
  expect(worst(exponential, Math.exp, -707, 709)).toBeLessThan(5e-16);
  expect(worst(sigmoid, (x) => 1 / (1 + Math.exp(-x)), -700, 700)).toBeLessThan(7e-16);
  expect(worst(hyperbolicTangent, Math.tanh, -30, 30, 0.01)).toBeLessThan(1.2e-15);
  expect(worst(hyperbolicTangent, Math.tanh, -1, 1, 1e-9)).toBeLessThan(1.2e-15);
  expect(
    worst(
      (x) => logarithm(1 + x),
      (x) => Math.log(1 + x),
      0,
      700,
    ),
  ).toBeLessThan(6e-16);
  expect(
    worst(
      (x) => logarithm(Math.abs(x)),
      (x) => Math.log(Math.abs(x)),
      -700,
      -1e-3,
      1e-5,
    ),
  ).toBeLessThan(6e-16);
});

test('extremes are what mathematics says, and NaN goes through', () => {
  expect([-800, 0, 710, 709.7].map(exponential)).toEqual([
    0,
    1,
    Infinity,
    expect.closeTo(Math.exp(709.7), -295),
  ]);
  expect(exponential(-744) / Math.exp(-744)).toBeCloseTo(1, 6);
  expect([-800, -Infinity, 0, 800, Infinity].map(sigmoid)).toEqual([0, 0, 0.5, 1, 1]);
  expect([-Infinity, -50, 0, 50, Infinity].map(hyperbolicTangent)).toEqual(
    [-1, -1, -0, 1, 1].map((x) => x || expect.closeTo(0)),
  );
  expect([0, 1, Infinity].map(logarithm)).toEqual([-Infinity, 0, Infinity]);
  expect(logarithm(5e-324) / Math.log(5e-324)).toBeCloseTo(1, 14);
  for (const f of [exponential, sigmoid, hyperbolicTangent, logarithm]) expect(f(Number.NaN)).toBeNaN();
  expect(logarithm(-1)).toBeNaN();
});

test('whole powers agree with repeated multiplication', () => {
  expect(wholePower(0.5, 11)).toBe(2 ** -11);
  expect(wholePower(0.999, 0)).toBe(1);
  expect(wholePower(0.999, 1_000_000_000)).toBe(0);
  expect(wholePower(0.9, 7)).toBeCloseTo(0.9 ** 7, 15);
});
