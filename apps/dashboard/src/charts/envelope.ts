import type { Drawn } from './downsample.ts';

/** What a line covers of each column of pixels: from `low` to `high`, in pixels; where it does not pass, `low` is above `high`. */
export interface Envelope {
  low: Float64Array;
  high: Float64Array;
}

/** The columns from 0 to `columns` that a line through points passes, which are in pixels, ascending by x, and may lie beyond either end. */
export const envelopeOf = ({ x, y }: Drawn, columns: number): Envelope => {
  const low = new Float64Array(columns).fill(Number.POSITIVE_INFINITY);
  const high = new Float64Array(columns).fill(Number.NEGATIVE_INFINITY);
  const cover = (column: number, value: number): void => {
    if (value < low[column]!) low[column] = value;
    if (value > high[column]!) high[column] = value;
  };
  for (let place = 1; place < x.length; place++) {
    const [x0, x1, y0, y1] = [x[place - 1]!, x[place]!, y[place - 1]!, y[place]!];
    const first = Math.floor(x0);
    const last = Math.floor(x1);
    const slope = x1 > x0 ? (y1 - y0) / (x1 - x0) : 0;
    for (let column = Math.max(0, first); column <= Math.min(columns - 1, last); column++) {
      cover(column, column <= first ? y0 : y0 + slope * (column - x0));
      cover(column, column >= last ? y1 : y0 + slope * (column + 1 - x0));
    }
  }
  return { low, high };
};
