import type { Curve } from './curve.ts';

const quoted = (text: string): string => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

/** What a curve is called in a file: what was measured has the plain name, wherever it is drawn smoothed, too. */
const columnOf = ({ label, measures, smoothing }: Curve): string =>
  measures ?? (smoothing === undefined ? label : `${label} (smoothed ${smoothing})`);

/** Every point as it was measured, none left out, and beside it what is drawn smoothed: a row each, over the union of their x. */
export const csvOf = (axis: string, curves: readonly Curve[]): string => {
  const rows = new Map<number, (number | undefined)[]>();
  for (const [place, { x, y }] of curves.entries())
    for (let point = 0; point < x.length; point++) {
      const row = rows.get(x[point]!) ?? new Array(curves.length).fill(undefined);
      row[place] = y[point]!;
      rows.set(x[point]!, row);
    }
  const sorted = [...rows].sort(([a], [b]) => a - b);
  const head = [axis, ...curves.map(columnOf)].map(quoted);
  return [head, ...sorted.map(([x, row]) => [x, ...row.map((value) => value ?? '')])]
    .map((row) => row.join(','))
    .join('\n');
};
