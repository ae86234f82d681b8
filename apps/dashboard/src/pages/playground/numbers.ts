interface Rows {
  /** A time step each. */
  rows: number[][];
  /** The line that each was written in, counted from 1. */
  lines: number[];
}

/** Not all that JavaScript takes for a number is one to people: 0x10, or nothing at all. */
const decimal = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/**
 * Numbers as people write them: a time step each line, its numbers separated by commas, semicolons or blanks; empty lines count for nothing.
 * @throws Error that names the line, counted from 1, and what in it is no number
 */
export const numbersOf = (given: string): Rows => {
  const read: Rows = { rows: [], lines: [] };
  for (const [place, line] of given.split('\n').entries()) {
    const words = line.split(/[,;\s]+/).filter(Boolean);
    if (words.length === 0) continue;
    const row = words.map((word) => {
      const value = Number(word);
      if (!decimal.test(word) || !Number.isFinite(value))
        throw new Error(`line ${place + 1}: ${word} is no number.`);
      return value;
    });
    read.rows.push(row);
    read.lines.push(place + 1);
  }
  return read;
};

/** What the API says of a list of time steps, with the line in the place of `input[t]` and `input[t][k]`. */
export const sayLine = (message: string, lines: readonly number[]): string =>
  message.replace(
    /(?:a list of (\d+) )?at input\[(\d+)\](?:\[(\d+)\])?/,
    (said, length: string | undefined, t: string, k: string | undefined) => {
      const line = lines[Number(t)];
      if (line === undefined) return said;
      if (length !== undefined) return `${length} ${length === '1' ? 'number' : 'numbers'} in line ${line}`;
      return k === undefined ? `in line ${line}` : `as number ${Number(k) + 1} of line ${line}`;
    },
  );
