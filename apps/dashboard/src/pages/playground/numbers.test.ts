import { expect, it } from 'vitest';
import { numbersOf, sayLine } from './numbers.ts';

it('reads a time step of each line that is not empty', () => {
  expect(numbersOf('1, -2.5\n\n3;4e2 \r\n+5.\t.6\n')).toEqual({
    rows: [
      [1, -2.5],
      [3, 400],
      [5, 0.6],
    ],
    lines: [1, 3, 4],
  });
});

it('names the line and the word that is no number', () => {
  expect(() => numbersOf('1\n\nabc')).toThrow('line 3: abc is no number.');
  for (const word of ['Infinity', '0x10', '0b1', '1e999', '1_000', '.', '-'])
    expect(() => numbersOf(`1, ${word}`)).toThrow(`line 1: ${word} is no number.`);
});

it('says the line where the API names a place of the list', () => {
  const lines = [1, 3];
  expect(sayLine('received a list of 3 at input[1].', lines)).toBe('received 3 numbers in line 3.');
  expect(sayLine('received 2 at input[1][2].', lines)).toBe('received 2 as number 3 of line 3.');
  expect(sayLine('received 3 at input[0].', lines)).toBe('received 3 in line 1.');
  expect(sayLine('received 3 at input[9].', lines)).toBe('received 3 at input[9].');
});
