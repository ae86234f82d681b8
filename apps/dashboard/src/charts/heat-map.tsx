import { useEffect, useRef, useState } from 'react';
import { measure } from '../format.ts';
import './heat-map.css';

interface HeatMapProps {
  label: string;
  /** From left to right; each a column from below to above. Null or not positive: nothing is drawn there. */
  columns: readonly (readonly number[])[];
  /** What each column stands for, written below and in the readout. */
  columnTitle: (column: number) => string;
  rowTitle: (row: number) => string;
  axisX: string;
  axisY: string;
}

/** Viridis in nine stops (van der Walt and Smith, 2015): as bright as it is large, also without seeing colours. */
const stops = [
  [68, 1, 84],
  [71, 44, 122],
  [59, 81, 139],
  [44, 113, 142],
  [33, 144, 141],
  [39, 173, 129],
  [92, 200, 99],
  [170, 220, 50],
  [253, 231, 37],
] as const;

const colorAt = (share: number): [number, number, number] => {
  const place = Math.min(1, Math.max(0, share)) * (stops.length - 1);
  const low = stops[Math.floor(place)]!;
  const high = stops[Math.min(stops.length - 1, Math.floor(place) + 1)]!;
  const rest = place % 1;
  return [0, 1, 2].map((part) => low[part]! + rest * (high[part]! - low[part]!)) as [number, number, number];
};

/** The smallest and the largest logarithm, at most ten orders of magnitude apart: what is smaller is as good as nothing. */
const rangeOf = (columns: HeatMapProps['columns']): { low: number; high: number } => {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const column of columns)
    for (const value of column) {
      if (!(value > 0)) continue;
      const size = Math.log10(value);
      low = Math.min(low, size);
      high = Math.max(high, size);
    }
  return { low: Math.max(low, high - 10), high };
};

/** Positive numbers over two axes, coloured by their logarithm. */
export const HeatMap = ({ label, columns, columnTitle, rowTitle, axisX, axisY }: HeatMapProps) => {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [pointed, setPointed] = useState<string | null>(null);
  const rows = columns.reduce((most, column) => Math.max(most, column.length), 0);
  const { low, high } = rangeOf(columns);
  useEffect(() => {
    const context = canvas.current?.getContext('2d');
    if (!context || columns.length === 0 || rows === 0) return;
    // A pixel each; the browser makes them as large as there is room.
    const image = context.createImageData(columns.length, rows);
    for (const [x, column] of columns.entries())
      for (const [row, value] of column.entries()) {
        if (!(value > 0)) continue;
        const at = 4 * ((rows - 1 - row) * columns.length + x);
        image.data.set(colorAt((Math.log10(value) - low) / (high - low || 1)), at);
        image.data[at + 3] = 255;
      }
    context.canvas.width = columns.length;
    context.canvas.height = rows;
    context.putImageData(image, 0, 0);
  }, [columns, rows, low, high]);
  const point = (event: { clientX: number; clientY: number; currentTarget: Element }): void => {
    const { left, top, width, height } = event.currentTarget.getBoundingClientRect();
    const x = Math.floor(((event.clientX - left) / width) * columns.length);
    const row = rows - 1 - Math.floor(((event.clientY - top) / height) * rows);
    const value = columns[x]?.[row];
    setPointed(value === undefined ? null : `${columnTitle(x)}, ${rowTitle(row)}: ${measure(value)}`);
  };
  return (
    <div className="heat-map">
      <span className="heat-axis-y quiet small">{axisY}</span>
      <div className="heat-rows quiet small" aria-hidden="true">
        <span>{rows - 1}</span>
        <span>0</span>
      </div>
      <canvas
        ref={canvas}
        role="img"
        aria-label={label}
        onPointerMove={point}
        onPointerLeave={() => setPointed(null)}
      />
      <div className="heat-columns quiet small" aria-hidden="true">
        <span>{columns.length > 0 && columnTitle(0)}</span>
        <span>{pointed ?? axisX}</span>
        <span>{columns.length > 1 && columnTitle(columns.length - 1)}</span>
      </div>
      <div className="heat-key quiet small">
        {measure(10 ** low)}
        <span className="heat-scale" aria-hidden="true" />
        {measure(10 ** high)}
      </div>
    </div>
  );
};
