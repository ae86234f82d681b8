import { expect, it } from 'vitest';
import { envelopeOf } from './envelope.ts';

const columnsOf = (x: number[], y: number[], columns: number) => {
  const { low, high } = envelopeOf({ x, y }, columns);
  return [...low].map((value, column) => [value, high[column]]);
};

it('covers in each column all that the line passes there, and joins one column to the next', () => {
  expect(columnsOf([0.25, 0.5, 0.75, 2.75], [5, 9, 1, 3], 4)).toEqual([
    [1, 9],
    [1.25, 2.25],
    [2.25, 3],
    [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
  ]);
});

it('comes from beyond the picture and goes out of it', () => {
  expect(columnsOf([-2, 6], [0, 8], 2)).toEqual([
    [2, 3],
    [3, 4],
  ]);
});
