import { lowerBound } from './columns.ts';

/** A curve: `x` ascending, every `y` a number. */
export interface Line {
  x: Float64Array;
  y: Float64Array;
}

/** Points that a chart draws. */
export interface Drawn {
  x: number[];
  y: number[];
}

/**
 * What of a line can be told apart on so many columns of pixels between `from` and `to`: of each column its first, lowest, highest and last
 * point, in order, so that no peak is lost (the M4 aggregation: Jugel et al., VLDB 2014). One neighbour beyond each end keeps lines going out
 * of the picture. The columns stand still while the picture moves, so that the curve does not shimmer.
 */
export const downsample = ({ x, y }: Line, from: number, to: number, columns: number): Drawn => {
  const first = Math.max(0, lowerBound(x, from) - 1);
  const end = Math.min(x.length, lowerBound(x, to) + 2);
  const drawn: Drawn = { x: [], y: [] };
  const add = (place: number): void => {
    drawn.x.push(x[place]!);
    drawn.y.push(y[place]!);
  };
  if (end - first <= 4 * columns) {
    for (let place = first; place < end; place++) add(place);
    return drawn;
  }
  const width = (to - from) / columns;
  let start = first;
  while (start < end) {
    const border = (Math.floor(x[start]! / width) + 1) * width;
    let low = start;
    let high = start;
    let last = start;
    for (let place = start + 1; place < end && x[place]! < border; place++) {
      const value = y[place]!;
      if (value < y[low]!) low = place;
      if (value > y[high]!) high = place;
      last = place;
    }
    add(start);
    const [earlier, later] = low < high ? [low, high] : [high, low];
    if (earlier > start) add(earlier);
    if (later > earlier && later > start) add(later);
    if (last > later) add(last);
    start = last + 1;
  }
  return drawn;
};

/** Numbers that are in one of two ascending lists or in both, ascending. */
const union = (a: readonly number[], b: readonly number[]): readonly number[] => {
  if (a.length === 0) return b;
  const merged: number[] = [];
  let left = 0;
  let right = 0;
  while (left < a.length || right < b.length) {
    const next = Math.min(a[left] ?? Number.POSITIVE_INFINITY, b[right] ?? Number.POSITIVE_INFINITY);
    merged.push(next);
    if (a[left] === next) left += 1;
    if (b[right] === next) right += 1;
  }
  return merged;
};

/** Several lines over the union of their x, as uPlot takes them: undefined where a line has no point, which it is drawn across. */
export const align = (lines: readonly Drawn[]): [number[], ...(number | undefined)[][]] => {
  const [only] = lines;
  if (lines.length === 1 && only) return [only.x, only.y];
  const xs = lines.reduce<readonly number[]>((merged, { x }) => union(merged, x), []) as number[];
  const columns = lines.map(({ x, y }) => {
    const column: (number | undefined)[] = new Array(xs.length).fill(undefined);
    let at = 0;
    for (let place = 0; place < x.length; place++) {
      while (xs[at]! < x[place]!) at += 1;
      column[at] = y[place]!;
    }
    return column;
  });
  return [xs, ...columns];
};
