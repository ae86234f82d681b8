import type { Frame } from '@unfold/contracts';
import type { Chart, Curve } from '../../charts/curve.ts';

type Diagnostic = Extract<Frame, { type: 'diagnostic' }>;

/** `gradients_through_time`: norms of the gradient of the last step's loss, by how many steps before it. */
export interface GradientsThroughTime {
  step: number;
  layers: { layer: number; h: number[]; c: number[] | null }[];
}

interface Layered<Value> {
  layers: { layer: number; direction?: string; gates: Record<string, Value> | null }[];
}

export const gradientsOf = (frames: readonly Diagnostic[]): GradientsThroughTime[] =>
  frames
    .filter(({ name }) => name === 'gradients_through_time')
    .map(({ step, data }) => ({ step, ...(data as Omit<GradientsThroughTime, 'step'>) }));

/** How many steps back the gradient is a tenth of what it is at the end: as far as the network learns from. */
export const reachOf = (norms: readonly number[]): number | null => {
  const [first] = norms;
  if (first === undefined) return null;
  const place = norms.findIndex((value) => value < first / 10);
  return place === -1 ? null : place;
};

/** Collects points of curves by chart and label. */
const collect = (): {
  add: (chart: string, label: string, step: number, value: number | null | undefined) => void;
  charts: () => Chart[];
} => {
  const charts = new Map<string, Map<string, { x: number[]; y: number[] }>>();
  return {
    add: (title, label, step, value) => {
      if (value === null || value === undefined) return;
      const chart = charts.get(title) ?? new Map<string, { x: number[]; y: number[] }>();
      charts.set(title, chart);
      const line = chart.get(label) ?? { x: [], y: [] };
      chart.set(label, line);
      line.x.push(step);
      line.y.push(value);
    },
    charts: () =>
      [...charts].map(([title, lines]) => ({
        title,
        curves: [...lines].map(
          ([label, { x, y }], place): Curve => ({
            label,
            color: `series-${(place % 8) + 1}`,
            x: Float64Array.from(x),
            y: Float64Array.from(y),
          }),
        ),
      })),
  };
};

const placeOf = ({ layer, direction }: { layer: number; direction?: string }): string =>
  direction === undefined ? `layer ${layer}` : `layer ${layer}, ${direction}`;

/** Spectral radii, saturation and the norms of single parameters' gradients, each as curves over the steps. */
export const chartsOfDiagnostics = (frames: readonly Diagnostic[]): Chart[] => {
  const { add, charts } = collect();
  for (const { name, step, data } of frames) {
    if (name === 'spectral_radius')
      for (const layer of (data as Layered<number | null>).layers)
        for (const [gate, value] of Object.entries(layer.gates ?? {}))
          add(`Spectral radius, ${placeOf(layer)}`, gate, step, value);
    if (name === 'saturation')
      for (const layer of (data as Layered<{ low: number; high: number }>).layers)
        for (const [gate, { low, high }] of Object.entries(layer.gates ?? {})) {
          add(`Saturation, ${placeOf(layer)}`, `${gate} low`, step, low);
          add(`Saturation, ${placeOf(layer)}`, `${gate} high`, step, high);
        }
    if (name === 'gradient_norms')
      for (const [parameter, value] of Object.entries(
        (data as { parameters: Record<string, number> }).parameters,
      ))
        add('Gradient norms of parameters', parameter, step, value);
  }
  return charts();
};
