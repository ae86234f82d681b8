import { describe, expect, it } from 'vitest';
import { align, downsample } from './downsample.ts';
import { smooth } from './smooth.ts';

const noise = (count: number) => {
  let seed = 7;
  return Float64Array.from({ length: count }, () => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647);
};

describe('what is drawn of a curve', () => {
  const x = Float64Array.from({ length: 100_000 }, (_, place) => place);
  const y = noise(100_000);
  y[54_321] = 9;
  y[54_322] = -9;

  it.each([
    [0, 99_999],
    [50_000, 60_000],
    [54_000, 54_500],
  ])('is at most four points a column from %i to %i, in order, all real, and no peak is lost', (from, to) => {
    const drawn = downsample({ x, y }, from, to, 500);
    expect(drawn.x.length).toBeLessThanOrEqual(4 * 503);
    expect(drawn.x).toEqual([...new Set(drawn.x)].sort((a, b) => a - b));
    expect(drawn.y).toEqual(drawn.x.map((place) => y[place]));
    expect(Math.max(...drawn.y)).toBe(9);
    expect(Math.min(...drawn.y)).toBe(-9);
    // Lines go on to beyond the picture.
    expect(drawn.x[0]).toBeLessThanOrEqual(from);
    expect(drawn.x.at(-1)).toBeGreaterThanOrEqual(to);
  });

  it('is everything where that fits', () => {
    const few = { x: x.subarray(0, 100), y: y.subarray(0, 100) };
    expect(downsample(few, 0, 99, 500)).toEqual({ x: [...few.x], y: [...few.y] });
  });

  it('stands on a common axis, with nothing where a curve has no point', () => {
    const [xs, a, b] = align([
      { x: [1, 2, 3], y: [10, 20, 30] },
      { x: [2, 5], y: [7, 8] },
    ]);
    expect(xs).toEqual([1, 2, 3, 5]);
    expect(a).toEqual([10, 20, 30, undefined]);
    expect(b).toEqual([undefined, 7, undefined, 8]);
  });
});

describe('a smoothed curve', () => {
  it('begins where the curve does, and is the curve without weight', () => {
    const values = Float64Array.of(4, 2, 6);
    expect(smooth(values, 0)).toEqual(values);
    // (0.5 · 4 · 0.5 + 0.5 · 2) / 0.75
    expect([...smooth(values, 0.5)].slice(0, 2)).toEqual([4, 2 / 0.75]);
    expect(smooth(Float64Array.of(3, 3, 3), 0.9)[2]).toBeCloseTo(3, 12);
  });
});
