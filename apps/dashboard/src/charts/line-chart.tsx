import { useEffect, useId, useMemo, useRef, useState } from 'react';
import { useExternal } from '../external.ts';
import { count, measure } from '../format.ts';
import { paint } from '../theme.ts';
import { Button } from '../ui/button.tsx';
import { Icon } from '../ui/icon.tsx';
import { csvOf } from './csv.ts';
import type { Curve } from './curve.ts';
import { download, downloadPng, fileNameOf } from './export.ts';
import type { Extent } from './extent.ts';
import { listenForGestures } from './gestures.ts';
import { Plot, valueAt } from './plot.ts';
import type { View } from './view.ts';
import './line-chart.css';

export interface LineChartProps {
  title: string;
  curves: readonly Curve[];
  /** Of the whole axis, the same for all charts of a page. */
  extent: Extent;
  view: View;
  /** What the axis is: Steps, Tokens. */
  axis: string;
  log?: boolean;
  height?: number;
  formatX?: (value: number) => string;
  formatY?: (value: number) => string;
}

const sizeOf = (element: HTMLElement, height: number) => ({
  width: Math.max(120, element.clientWidth),
  height,
});

/** Curves over a common axis. Its points may be a hundred thousand: it draws what can be seen of them. */
export const LineChart = ({
  title,
  curves,
  extent,
  view,
  axis,
  log = false,
  height = 220,
  formatX = count,
  formatY = measure,
}: LineChartProps) => {
  const frame = useRef<HTMLDivElement>(null);
  const plot = useRef<Plot | null>(null);
  const readouts = useRef<HTMLUListElement>(null);
  const redraw = useRef(() => {});
  const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set());
  const colors = useExternal(paint);
  const heading = useId();
  const named = useMemo(() => curves.filter(({ measures }) => measures === undefined), [curves]);
  // Beside a smoothed curve stands what was measured, as everywhere else on the page.
  const told = useMemo(
    () => named.map((curve) => curves.find(({ measures }) => measures === curve.label) ?? curve),
    [curves, named],
  );
  const latest = useRef({ curves, told, hidden, extent });
  latest.current = { curves, told, hidden, extent };
  // Another set of curves, other colours or another scale make another chart; new points of the same ones do not.
  const shape = `${curves.map(({ label, color }) => `${label} ${color}`).join()} ${log} ${colors}`;

  // biome-ignore lint/correctness/useExhaustiveDependencies: `shape` says all of the curves that a new chart is made for.
  useEffect(() => {
    const parent = frame.current!;
    const { curves, extent } = latest.current;
    const made = new Plot(parent, { curves, extent, log, formatX, formatY }, sizeOf(parent, height));
    plot.current = made;
    let seen = true;
    let wanted = 0;
    const draw = (): void => {
      wanted = 0;
      made.draw(view.get(), latest.current.hidden);
    };
    redraw.current = () => {
      if (seen && wanted === 0) wanted = requestAnimationFrame(draw);
    };
    draw();
    const readOut = (x: number | null): void => {
      for (const [place, curve] of latest.current.told.entries()) {
        const cell = readouts.current?.children[place]?.querySelector('output');
        const value = valueAt(curve, x);
        if (cell) cell.textContent = value === null ? '–' : formatY(value);
      }
    };
    made.onPoint(readOut);
    readOut(null);
    const unlisten = listenForGestures({
      element: parent,
      view,
      extent: () => made.extent,
      plot: () => made.area,
    });
    const unsubscribe = view.subscribe(() => redraw.current());
    const watchSize = new ResizeObserver(() => {
      made.resize(sizeOf(parent, height));
      redraw.current();
    });
    watchSize.observe(parent);
    // What is not on the screen is drawn when it comes there.
    const watchSight = new IntersectionObserver(([entry]) => {
      seen = entry?.isIntersecting ?? true;
      redraw.current();
    });
    watchSight.observe(parent);
    return () => {
      cancelAnimationFrame(wanted);
      unlisten();
      unsubscribe();
      watchSize.disconnect();
      watchSight.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [shape, view, height, formatX]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: which curves are hidden is read when it is drawn.
  useEffect(() => {
    plot.current?.setCurves(curves, extent);
    redraw.current();
    for (const [place, curve] of told.entries()) {
      const cell = readouts.current?.children[place]?.querySelector('output');
      const value = valueAt(curve, null);
      if (cell) cell.textContent = value === null ? '–' : formatY(value);
    }
  }, [curves, extent, hidden]);

  const toggle = (label: string): void => {
    const next = new Set(hidden);
    if (!next.delete(label)) next.add(label);
    setHidden(next);
  };
  const points = named.reduce((most, { x }) => Math.max(most, x.length), 0);
  return (
    <figure className="chart" aria-labelledby={heading}>
      <figcaption>
        <h2 id={heading}>{title}</h2>
        <ul className="chart-legend" ref={readouts}>
          {named.map(({ label, color }) => (
            <li key={label}>
              <button type="button" aria-pressed={!hidden.has(label)} onClick={() => toggle(label)}>
                <svg width="12" height="4" aria-hidden="true">
                  <rect width="12" height="4" rx="2" fill={`var(--${color})`} />
                </svg>
                {label}
              </button>
              <output className="quiet small" />
            </li>
          ))}
        </ul>
        <span className="chart-tools">
          <Button
            kind="bare"
            label={`${title}: save as PNG`}
            onClick={() => plot.current && downloadPng(plot.current.canvas, title, named)}
          >
            <Icon name="image" size={14} />
          </Button>
          <Button
            kind="bare"
            label={`${title}: save as CSV`}
            onClick={() =>
              download(new Blob([csvOf(axis, curves)], { type: 'text/csv' }), fileNameOf(title, 'csv'))
            }
          >
            <Icon name="download" size={14} />
          </Button>
        </span>
      </figcaption>
      {/* biome-ignore lint/a11y/useSemanticElements: a fieldset would be a form's. */}
      <div
        ref={frame}
        className="plot"
        role="group"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: it listens to keys.
        tabIndex={0}
        aria-label={`${title}: ${named.map(({ label }) => label).join(', ')} over ${axis.toLowerCase()}, ${count(points)} points. Arrow keys move, plus and minus zoom, 0 shows everything.`}
        style={{ height }}
      />
    </figure>
  );
};
