import { describe, expect, it } from 'vitest';
import { jsonPieces } from './large-json.ts';

const long = Array.from({ length: 10_000 }, (_, place) => (place % 3 === 0 ? null : place / 7));

describe('JSON in pieces', () => {
  it.each([
    ['a long array', long],
    ['long arrays within objects', { job_id: 'a"b', series: { loss: long, 'é"': long }, downsampled: false }],
    [
      'exactly as many values as are written at once, and one more',
      [long.slice(0, 4096), long.slice(0, 4097)],
    ],
    ['short and empty things', { a: [], b: {}, c: null, d: undefined, e: 'ä', f: [1, { g: [2] }] }],
    ['nothing but a number', 7],
  ])('is the text of JSON.stringify: %s', (_, value) => {
    expect([...jsonPieces(value)].join('')).toBe(JSON.stringify(value));
  });

  it('holds no more than a stretch of a long array at once', () => {
    const longest = Math.max(...[...jsonPieces({ loss: long })].map(({ length }) => length));
    expect(longest).toBeLessThan(JSON.stringify(long).length / 2);
  });
});
