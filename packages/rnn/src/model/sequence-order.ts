/**
 * Which row [T,N] a reading from the end takes at each place: row (length − 1 − t, n) at (t, n), −1 in padding. Its own inverse.
 * @param lengths [N]; null: T each
 */
export const reversedRows = (
  lengths: Int32Array | null,
  steps: number,
  sequences: number,
  rows = new Int32Array(steps * sequences),
): Int32Array => {
  for (let n = 0; n < sequences; n++) {
    const length = lengths ? lengths[n]! : steps;
    for (let t = 0; t < steps; t++)
      rows[t * sequences + n] = t < length ? (length - 1 - t) * sequences + n : -1;
  }
  return rows;
};

/** How much of each length lies in steps first … first + steps − 1. */
export const lengthsWithin = (lengths: Int32Array, first: number, steps: number): Int32Array =>
  lengths.map((length) => Math.min(Math.max(0, length - first), steps));
