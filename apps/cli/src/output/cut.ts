import sliceAnsi from 'slice-ansi';

/** The beginning of a text that may be styled, at most `columns` wide and `rows` lines high: more would wrap, and scroll. */
export const cut = (text: string, columns: number, rows: number): string =>
  text
    .split('\n')
    .slice(0, Math.max(1, rows))
    .map((line) => sliceAnsi(line, 0, columns))
    .join('\n');
