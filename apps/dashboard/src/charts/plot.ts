import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { colorsOf } from '../theme.ts';
import { lowerBound } from './columns.ts';
import type { Curve } from './curve.ts';
import { align, type Drawn, downsample, type Line } from './downsample.ts';
import { envelopeOf } from './envelope.ts';
import type { Extent } from './extent.ts';

export interface Picture {
  curves: readonly Curve[];
  extent: Extent;
  log: boolean;
  formatX: (value: number) => string;
  formatY: (value: number) => string;
}

const inkNames = ['text-2', 'grid', 'surface'] as const;

/** What all charts of a page have in common beside their view: where the pointer is. */
const cursorKey = 'unfold';

const optionsOf = (
  picture: Picture,
  size: { width: number; height: number },
  paths: uPlot.Series.PathBuilder,
): uPlot.Options => {
  const ink = colorsOf(inkNames);
  const colors = colorsOf(picture.curves.map(({ color }) => color));
  const axis = {
    stroke: ink['text-2'],
    grid: { stroke: ink.grid, width: 1 },
    ticks: { show: false },
    font: '12px system-ui, sans-serif',
  };
  return {
    ...size,
    legend: { show: false },
    cursor: {
      drag: { x: false, y: false },
      points: { size: 6 },
      y: false,
      sync: { key: cursorKey, setSeries: false },
    },
    scales: {
      x: { time: false, auto: false },
      y: {
        distr: picture.log ? 3 : 1,
        // A curve that does not move is a line in the middle.
        ...(!picture.log && {
          range: (_: uPlot, low: number, high: number): uPlot.Range.MinMax =>
            low === high
              ? [low - (Math.abs(low) || 1) / 2, high + (Math.abs(high) || 1) / 2]
              : uPlot.rangeNum(low, high, 0.06, true),
        }),
      },
    },
    axes: [
      { ...axis, values: (_, ticks) => ticks.map(picture.formatX), space: 70, size: 30 },
      {
        ...axis,
        values: (_, ticks) => ticks.map((tick) => (tick === null ? '' : picture.formatY(tick))),
        size: 58,
        space: 36,
      },
    ],
    series: [
      {},
      ...picture.curves.map(({ label, color, measures }) => ({
        label,
        stroke: colors[color]!,
        width: measures ? 1 : 1.75,
        alpha: measures ? 0.28 : 1,
        paths,
        points: { show: (u: uPlot, place: number) => pointsAreFew(u, place), size: 5, fill: colors[color]! },
      })),
    ],
    padding: [10, 20, 0, 0],
  };
};

/** A dozen evaluations among a thousand steps are shown as points, too. */
const pointsAreFew = (u: uPlot, place: number): boolean => {
  let count = 0;
  for (const value of u.data[place] ?? [])
    if (value !== undefined && value !== null && ++count > 40) return false;
  return true;
};

const strokePath = uPlot.paths.linear!();

/**
 * A dense line as one upright stroke for each column of pixels. Of two points a column or more it looks like the line itself, which costs several times as much to draw without a
 * graphics card: a stroke that is wider than a pixel is cut into triangles at each of its turns.
 */
const columnPath = (
  u: uPlot,
  { x, y }: Drawn,
  { log, width }: { log: boolean; width: number },
): uPlot.Series.Paths => {
  const scaled = (value: number): number => (log ? Math.log10(value) : value);
  const { left, top, width: columns, height } = u.bbox;
  const { min: from, max: to } = u.scales.x as { min: number; max: number };
  const low = scaled(u.scales.y!.min!);
  const range = scaled(u.scales.y!.max!) - low;
  const covered = envelopeOf(
    {
      x: x.map((value) => (columns * (value - from)) / (to - from)),
      y: y.map((value) => top + height * (1 - (scaled(value) - low) / range)),
    },
    Math.ceil(columns),
  );
  // A stroke of one pixel is drawn half a pixel further right and down.
  const half = width / 2;
  const stroke = new Path2D();
  for (const [column, start] of covered.low.entries()) {
    if (start === Number.POSITIVE_INFINITY) continue;
    stroke.moveTo(left + column, start - half - 0.5);
    stroke.lineTo(left + column, covered.high[column]! + half - 0.5);
  }
  return { stroke, _width: 1 / devicePixelRatio } as uPlot.Series.Paths;
};

/** A chart on a canvas that draws no more points than it has pixels to show them on, however many there are. */
export class Plot {
  readonly #plot: uPlot;
  readonly #picture: Picture;
  #curves: readonly Curve[];
  #extent: Extent;
  #shown: readonly Drawn[] = [];

  constructor(parent: HTMLElement, picture: Picture, size: { width: number; height: number }) {
    this.#picture = picture;
    this.#curves = picture.curves;
    this.#extent = picture.extent;
    const paths: uPlot.Series.PathBuilder = (u, place, first, last) => this.#pathOf(u, place, first, last);
    this.#plot = new uPlot(optionsOf(picture, size, paths), [[]], parent);
  }

  #pathOf(u: uPlot, place: number, first: number, last: number): uPlot.Series.Paths | null {
    const drawn = this.#shown[place - 1];
    if (drawn === undefined || drawn.x.length <= 2 * u.bbox.width) return strokePath(u, place, first, last);
    const width = u.series[place]!.width! * devicePixelRatio;
    return columnPath(u, drawn, { log: this.#picture.log, width });
  }

  get canvas(): HTMLCanvasElement {
    return this.#plot.ctx.canvas;
  }

  get extent(): Extent {
    return this.#extent;
  }

  get area(): DOMRect {
    return this.#plot.over.getBoundingClientRect();
  }

  resize(size: { width: number; height: number }): void {
    this.#plot.setSize(size);
  }

  /** New points of the same curves. */
  setCurves(curves: readonly Curve[], extent: Extent): void {
    this.#curves = curves;
    this.#extent = extent;
  }

  draw(view: Extent | null, hidden: ReadonlySet<string>): void {
    const { from, to } = view ?? this.#extent;
    const columns = Math.max(50, this.#plot.bbox.width);
    this.#shown = this.#curves.map((curve): Drawn => {
      if (hidden.has(curve.label)) return { x: [], y: [] };
      const drawn = downsample(curve, from, to, columns);
      if (!this.#picture.log) return drawn;
      const kept = drawn.y.flatMap((value, place) => (value > 0 ? [place] : []));
      return { x: kept.map((place) => drawn.x[place]!), y: kept.map((place) => drawn.y[place]!) };
    });
    this.#plot.batch(() => {
      this.#plot.setData(align(this.#shown) as uPlot.AlignedData, false);
      this.#plot.setScale('x', { min: from, max: to === from ? from + 1 : to });
    });
  }

  /** Calls back with the place on the axis that is pointed at, or null. */
  onPoint(tell: (x: number | null) => void): void {
    const told = (u: uPlot): void => {
      const { left } = u.cursor;
      tell(left === undefined || left === null || left < 0 ? null : u.posToVal(left, 'x'));
    };
    (this.#plot.hooks.setCursor ??= []).push(told);
  }

  destroy(): void {
    this.#plot.destroy();
  }
}

/** What a curve is at a place: its newest point up to there, or at the end where no place is given. */
export const valueAt = ({ x, y }: Line, place: number | null): number | null => {
  if (x.length === 0) return null;
  if (place === null) return y[y.length - 1]!;
  const after = lowerBound(x, place);
  if (after === 0) return x[0] === place ? y[0]! : null;
  return after < x.length && x[after] === place ? y[after]! : y[after - 1]!;
};
