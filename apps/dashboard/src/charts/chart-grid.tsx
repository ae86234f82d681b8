import type { Chart } from './curve.ts';
import { LineChart, type LineChartProps } from './line-chart.tsx';

interface ChartGridProps extends Omit<LineChartProps, 'title' | 'curves'> {
  charts: readonly Chart[];
}

/** Charts beside each other that show the same part of one axis. */
export const ChartGrid = ({ charts, ...common }: ChartGridProps) => (
  <div className="charts">
    {charts.map(({ title, curves }) => (
      <LineChart key={title} title={title} curves={curves} {...common} />
    ))}
  </div>
);
