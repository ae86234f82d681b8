import { describe, expect, it } from 'vitest';
import { cut } from './cut.ts';
import { styleOf } from './style.ts';
import { type Column, drawTable } from './table.ts';

const style = styleOf(process.stdout);
const item = { id: `job-${'0123456789abcdef'.repeat(2)}`, name: 'a name that is longer than many a window' };
const columns: Column<typeof item>[] = [
  { name: 'job', cell: ({ id }) => id, shorten: { least: 12, keep: 'ends' } },
  { name: 'name', cell: ({ name }) => name, shorten: { least: 10, keep: 'beginning' } },
  { name: 'status', cell: () => 'running' },
  { name: 'created', cell: () => '3 min ago', spare: 1 },
];

describe('a table', () => {
  it('leaves out columns, then shortens names, then ids, to fit', () => {
    expect(drawTable([item], columns, { style })[1]).toContain('3 min ago');
    for (const width of [100, 80, 60, 40]) {
      const lines = drawTable([item], columns, { style, columns: width });
      for (const line of lines) expect([...line].length).toBeLessThanOrEqual(width);
      expect(lines[1]).toContain('running');
    }
    expect(drawTable([item], columns, { style, columns: 60 })[1]).toBe(`${item.id}  a name that …  running`);
    expect(drawTable([item], columns, { style, columns: 33 })[1]).toBe('job-…9abcdef  a name th…  running');
  });
});

describe('a picture that is cut', () => {
  it('is no wider and no higher than its place, and keeps its colours closed', () => {
    expect(cut('\u001b[36mabcdef\u001b[39m\nxyz\nlost', 3, 2)).toBe('\u001b[36mabc\u001b[39m\nxyz');
  });
});
