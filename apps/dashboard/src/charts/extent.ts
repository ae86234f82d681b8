import type { Chart } from './curve.ts';

/** A part of the horizontal axis. */
export interface Extent {
  from: number;
  to: number;
}

/** From the first point of any chart to the last. */
export const extentOf = (charts: readonly Chart[]): Extent => {
  let from = Number.POSITIVE_INFINITY;
  let to = Number.NEGATIVE_INFINITY;
  for (const { curves } of charts)
    for (const { x } of curves) {
      if (x.length === 0) continue;
      from = Math.min(from, x[0]!);
      to = Math.max(to, x[x.length - 1]!);
    }
  return from <= to ? { from, to } : { from: 0, to: 1 };
};
