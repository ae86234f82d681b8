import type { MetricsResource } from '@unfold/contracts';
import type { MetricsQuery } from './repositories.ts';

interface Point {
  step: number;
  values: Record<string, number | null>;
  /** When it was appended. */
  at: Date;
}

/** Points of the same step as one; of two values of a name the later stands. `rows` are in order of step. */
const mergeSteps = (rows: readonly Point[], names: ReadonlySet<string> | null): Point[] => {
  const merged: Point[] = [];
  for (const { step, values, at } of rows) {
    const wanted = names
      ? Object.fromEntries(Object.entries(values).filter(([name]) => names.has(name)))
      : values;
    if (Object.keys(wanted).length === 0) continue;
    const last = merged.at(-1);
    if (last?.step === step) Object.assign(last.values, wanted);
    else merged.push({ step, values: { ...wanted }, at });
  }
  return merged;
};

/**
 * So many of these points, spread evenly over the steps, the first and the last among them. Where the steps leave a
 * gap, the next point stands in for the missing one.
 */
const spread = (points: readonly Point[], count: number): Point[] => {
  if (points.length <= count) return [...points];
  const last = points.length - 1;
  if (count < 2) return count === 1 ? [points[last] as Point] : [];
  const stepAt = (index: number): number => (points[index] as Point).step;
  const stride = (stepAt(last) - stepAt(0)) / (count - 1);
  const chosen: Point[] = [];
  let next = 0;
  for (let i = 0; i < count; i += 1) {
    const wanted = stepAt(0) + i * stride;
    // So many must be left over for those that are still to be chosen.
    const limit = last - (count - 1 - i);
    const nearer = (): boolean => stepAt(next + 1) - wanted <= Math.abs(stepAt(next) - wanted);
    while (next < limit && nearer()) next += 1;
    chosen.push(points[next] as Point);
    next += 1;
  }
  return chosen;
};

/** The points of names that less than half of the points hold, rarest first. */
const sparseCurves = (points: readonly Point[]): Point[][] => {
  const byName = new Map<string, Point[]>();
  for (const point of points)
    for (const name of Object.keys(point.values)) {
      const own = byName.get(name);
      if (own) own.push(point);
      else byName.set(name, [point]);
    }
  return [...byName.values()]
    .filter((own) => own.length < points.length / 2)
    .sort((a, b) => a.length - b.length);
};

/**
 * At most `count` points, all of them real ones. The first and the last always stay. Up to half of the others go to
 * names with few points (a validation loss among thousands of losses), the rarest first; the rest are spread evenly
 * over the steps.
 */
const thinOut = (points: readonly Point[], count: number): Point[] => {
  const chosen = new Set<Point>();
  const sparse = sparseCurves(points);
  const ends = new Set([points[0], points.at(-1)]);
  let room = Math.max(0, Math.floor((count - 2) / 2));
  sparse.forEach((own, i) => {
    const free = own.filter((point) => !chosen.has(point) && !ends.has(point));
    for (const point of spread(free, Math.ceil(room / (sparse.length - i)))) {
      chosen.add(point);
      room -= 1;
    }
  });
  const free = points.filter((point) => !chosen.has(point));
  return [...chosen, ...spread(free, count - chosen.size)].sort((a, b) => a.step - b.step);
};

/** Curves over the union of their steps; where a name has no value at a step, null. @param seq the last frame that `rows` surely hold */
export const toMetrics = (
  job_id: string,
  rows: readonly Point[],
  query: MetricsQuery,
  seq: number,
): MetricsResource => {
  const names = query.names && query.names.length > 0 ? new Set(query.names) : null;
  const all = mergeSteps(rows, names);
  const downsampled = query.points !== undefined && all.length > query.points;
  const points = downsampled ? thinOut(all, query.points as number) : all;
  const present = names ?? new Set(all.flatMap(({ values }) => Object.keys(values)));
  return {
    job_id,
    steps: points.map(({ step }) => step),
    series: Object.fromEntries(
      [...present].map((name) => [name, points.map(({ values }) => values[name] ?? null)]),
    ),
    ...(query.times && { times: points.map(({ at }) => at.getTime()) }),
    downsampled,
    seq,
  };
};
