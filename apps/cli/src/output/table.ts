import { stripVTControlCharacters } from 'node:util';
import sliceAnsi from 'slice-ansi';
import type { Style } from './style.ts';

export interface Column<T> {
  name: string;
  /** The cell's text, which may be styled. */
  cell(item: T): string;
  /** Numbers stand at the right. */
  right?: boolean;
  /** Left out where the terminal is too narrow, the highest first. Without it a column always stays. */
  spare?: number;
  /** Shortened to no less than `least` where leaving out columns is not enough, the last such column first. */
  shorten?: { least: number; keep: 'beginning' | 'ends' };
}

const gap = '  ';
const widthOf = (text: string): number => [...stripVTControlCharacters(text)].length;

const totalOf = (widths: readonly number[]): number =>
  widths.reduce((sum, width) => sum + width, 0) + gap.length * Math.max(0, widths.length - 1);

/** Of an id, its kind and the end, in which the ids of one minute differ. */
const kindLength = 4;

const shortened = (text: string, width: number, keep: 'beginning' | 'ends'): string => {
  const length = widthOf(text);
  if (length <= width) return text;
  if (keep === 'beginning') return `${sliceAnsi(text, 0, width - 1)}…`;
  return `${sliceAnsi(text, 0, kindLength)}…${sliceAnsi(text, length - (width - 1 - kindLength))}`;
};

/** The lines of a table with its head, at most `columns` wide unless what must stay is wider. */
export const drawTable = <T>(
  items: readonly T[],
  all: readonly Column<T>[],
  { style, columns = Number.POSITIVE_INFINITY }: { style: Style; columns?: number },
): string[] => {
  let shown = all.map((column) => {
    const cells = items.map((item) => column.cell(item));
    return { column, cells, width: Math.max(widthOf(column.name), ...cells.map(widthOf)) };
  });
  for (;;) {
    if (totalOf(shown.map(({ width }) => width)) <= columns) break;
    const spare = shown.filter(({ column }) => column.spare !== undefined);
    if (spare.length === 0) break;
    const first = spare.reduce((most, next) => (next.column.spare! > most.column.spare! ? next : most));
    shown = shown.filter((each) => each !== first);
  }
  for (const each of shown.toReversed()) {
    const { shorten } = each.column;
    const excess = totalOf(shown.map(({ width }) => width)) - columns;
    if (excess <= 0) break;
    if (shorten === undefined) continue;
    const width = Math.max(Math.min(each.width, shorten.least), each.width - excess);
    each.width = width;
    each.cells = each.cells.map((cell) => shortened(cell, width, shorten.keep));
  }
  const line = (cellOf: (index: number) => string): string =>
    shown
      .map(({ column, width }, index) => {
        const cell = cellOf(index);
        const space = ' '.repeat(width - widthOf(cell));
        return column.right ? space + cell : cell + space;
      })
      .join(gap)
      .trimEnd();
  const head = style.dim(line((index) => shown[index]!.column.name.toUpperCase()));
  return [head, ...items.map((_, row) => line((index) => shown[index]!.cells[row]!))];
};
