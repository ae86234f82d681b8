import type { Line } from './downsample.ts';

/** One curve of a chart. */
export interface Curve extends Line {
  label: string;
  /** A token's name, without its dashes. */
  color: string;
  /** Drawn faintly behind the smoothed curve of this label, of which it is what was measured. */
  measures?: string;
  /** By how much it is smoothed, where it is. */
  smoothing?: number;
}

/** Curves that are drawn together. */
export interface Chart {
  title: string;
  curves: Curve[];
}
