import { useMemo } from 'react';
import { ChartGrid } from '../../charts/chart-grid.tsx';
import type { Chart } from '../../charts/curve.ts';
import { extentOf } from '../../charts/extent.ts';
import { createView } from '../../charts/view.ts';
import { count } from '../../format.ts';

type Rows = readonly (readonly number[])[];

const column = (rows: Rows, place: number, first: number) => ({
  x: Float64Array.from(rows, (_, t) => first + t),
  y: Float64Array.from(rows, (row) => row[place]!),
});

/** A series and how it goes on, a chart for each of its values. */
export const ForecastCharts = ({ given, values }: { given: Rows; values: Rows }) => {
  const { charts, view } = useMemo(() => {
    const names = values[0]?.map((_, place) => place) ?? [];
    const made = names.map(
      (place): Chart => ({
        title: names.length === 1 ? 'Forecast' : `Forecast of value ${place}`,
        curves: [
          { label: 'given', color: 'series-8', ...column(given, place, 1) },
          { label: 'forecast', color: 'series-1', ...column(values, place, given.length + 1) },
        ],
      }),
    );
    return { charts: made, view: createView() };
  }, [given, values]);
  return (
    <ChartGrid
      charts={charts}
      extent={extentOf(charts)}
      view={view}
      axis="Step"
      formatX={(step) => (Number.isInteger(step) ? count(step) : '')}
    />
  );
};
