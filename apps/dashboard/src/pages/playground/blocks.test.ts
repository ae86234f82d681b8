import { expect, it } from 'vitest';
import { createBlocks } from './blocks.ts';

const piecesOf = (text: string) => [...text].map((character) => ({ text: character }));

it('cuts a growing text after lines alone, and leaves complete blocks as they are', () => {
  const pieces = piecesOf(`${'a line of a text\n'.repeat(50)}and its end`);
  const blocks = createBlocks(pieces);
  const early = blocks(300);
  const late = blocks(pieces.length);
  expect(late.slice(0, 2)).toEqual([
    { from: 0, to: 102 },
    { from: 102, to: 204 },
  ]);
  expect(late[0]).toBe(early[0]);
  expect(early.at(-1)).toEqual({ from: 204, to: 300 });
  for (const [place, { from, to }] of late.entries()) {
    expect(from).toBe(late[place - 1]?.to ?? 0);
    if (to < pieces.length) expect(pieces[to - 1]!.text).toBe('\n');
  }
  expect(late.at(-1)?.to).toBe(pieces.length);
});

it.each([
  ['between words', 'word ', 1000],
  ['anywhere', 'w', 2000],
])('cuts a text that has no lines %s', (_, text, end) => {
  const pieces = piecesOf(text.repeat(3000));
  expect(createBlocks(pieces)(pieces.length)[0]).toEqual({ from: 0, to: end });
});
