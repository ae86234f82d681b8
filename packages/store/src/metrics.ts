import type { MetricsResource } from '@unfold/contracts';
import type { MetricsQuery } from './repositories.ts';

interface Point {
  step: number;
  values: Record<string, number | null>;
}

/** Points of the same step as one; of two values of a name the later stands. `rows` are in order of step. */
const mergeSteps = (rows: readonly Point[], names: ReadonlySet<string> | null): Point[] => {
  const merged: Point[] = [];
  for (const { step, values } of rows) {
    const wanted = names
      ? Object.fromEntries(Object.entries(values).filter(([name]) => names.has(name)))
      : values;
    if (Object.keys(wanted).length === 0) continue;
    const last = merged.at(-1);
    if (last?.step === step) Object.assign(last.values, wanted);
    else merged.push({ step, values: { ...wanted } });
  }
  return merged;
};

/** So many of these, evenly spread, the first and the last among them. */
const spread = (indices: readonly number[], count: number): number[] => {
  if (indices.length <= count) return [...indices];
  if (count === 1) return [indices.at(-1) as number];
  const stride = (indices.length - 1) / (count - 1);
  return Array.from({ length: count }, (_, i) => indices[Math.round(i * stride)] as number);
};

/**
 * At most `count` points, all of them real ones. Rare names (a validation loss among thousands of losses) keep their
 * points: names that occur at the same steps share one part of the points, and the rarest choose first.
 */
const thinOut = (points: readonly Point[], count: number): Point[] => {
  const byName = new Map<string, number[]>();
  points.forEach(({ values }, index) => {
    for (const name of Object.keys(values)) {
      const indices = byName.get(name);
      if (indices) indices.push(index);
      else byName.set(name, [index]);
    }
  });
  const groups = new Map<string, number[]>();
  for (const indices of byName.values())
    groups.set(`${indices.length}:${indices[0]}:${indices.at(-1)}`, indices);
  const rarestFirst = [...groups.values()].sort((a, b) => a.length - b.length);
  const chosen = new Set<number>();
  rarestFirst.forEach((indices, i) => {
    const share = Math.ceil((count - chosen.size) / (rarestFirst.length - i));
    if (share > 0)
      for (const index of spread(
        indices.filter((each) => !chosen.has(each)),
        share,
      ))
        chosen.add(index);
  });
  return [...chosen].sort((a, b) => a - b).map((index) => points[index] as Point);
};

/** Curves over the union of their steps; where a name has no value at a step, null. */
export const toMetrics = (job_id: string, rows: readonly Point[], query: MetricsQuery): MetricsResource => {
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
    downsampled,
  };
};
