import { stripVTControlCharacters } from 'node:util';
import type { Style } from './style.ts';

export interface Column<T> {
  name: string;
  /** The cell's text, which may be styled. */
  cell(item: T): string;
  /** Numbers stand at the right. */
  right?: boolean;
  /** Left out where the terminal is too narrow, the highest first. Without it a column always stays. */
  spare?: number;
}

const gap = '  ';
const widthOf = (text: string): number => [...stripVTControlCharacters(text)].length;

const totalOf = (widths: readonly number[]): number =>
  widths.reduce((sum, width) => sum + width, 0) + gap.length * Math.max(0, widths.length - 1);

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
