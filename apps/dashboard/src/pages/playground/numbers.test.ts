import { expect, it } from 'vitest';
import { numbersOf } from './numbers.ts';

it('reads a time step of each line that is not empty', () => {
  expect(numbersOf('1, -2.5\n\n3;4e2 \r\n5\t6\n')).toEqual([
    [1, -2.5],
    [3, 400],
    [5, 6],
  ]);
});

it('names the line and the word that is no number', () => {
  expect(() => numbersOf('1\n\nabc')).toThrow('line 3: abc is no number.');
  expect(() => numbersOf('1, Infinity')).toThrow('line 1: Infinity is no number.');
});
