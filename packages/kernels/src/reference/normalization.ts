import type { RealArray } from '../engine.ts';
import type { BatchStatistics } from './batch-statistics.ts';

const epsilon = 1e-5;

/** Columns `from` … `from + count − 1`, normalised together by layer normalisation. */
export interface ColumnRange {
  readonly from: number;
  readonly count: number;
}

/** One product of a layer, or its cell, normalised step by step: x̂ = (x − mean) / √(variance + ε). */
export interface Normalization {
  readonly columns: number;
  /** [slots, N, columns]: x before `forward`, x̂ after it, ∂L/∂x after `backward`. */
  readonly values: RealArray;
  /** Normalises the columns of one range. */
  forward(slot: number, range: number): void;
  /** From dy = ∂L/∂(gain x̂ + bias) of that range, rows `dyStride` apart: ∂L/∂x, and dGain += Σ dy x̂. */
  backward(
    slot: number,
    range: number,
    dy: RealArray,
    dyAt: number,
    dyStride: number,
    gain: RealArray,
    dGain: Float64Array,
  ): void;
}

/** What a normalization works on. `inverses`, 1 / √(variance + ε): by layer [slots, ranges, N], by batch [slots, columns]. */
export interface NormalizationRoom {
  readonly N: number;
  readonly columns: number;
  readonly ranges: readonly ColumnRange[];
  readonly values: RealArray;
  readonly inverses: RealArray;
}

/** How many elements of `inverses` a slot takes, for either kind. */
export function inverseSize(N: number, columns: number, ranges: number): number {
  return Math.max(N * ranges, columns);
}

/** Layer normalisation (Ba, Kiros and Hinton 2016): each row by its own mean and variance. Sums are in double. */
export function layerNormalization({
  N,
  columns,
  ranges,
  values,
  inverses,
}: NormalizationRoom): Normalization {
  const size = inverseSize(N, columns, ranges.length);
  return {
    columns,
    values,
    forward(slot, range) {
      const { from, count } = ranges[range]!;
      for (let n = 0; n < N; n++) {
        const at = (slot * N + n) * columns + from;
        let sum = 0;
        for (let k = at; k < at + count; k++) sum += values[k]!;
        const mean = sum / count;
        let squares = 0;
        for (let k = at; k < at + count; k++) squares += (values[k]! - mean) * (values[k]! - mean);
        const inverse = 1 / Math.sqrt(squares / count + epsilon);
        for (let k = at; k < at + count; k++) values[k] = (values[k]! - mean) * inverse;
        inverses[slot * size + range * N + n] = inverse;
      }
    },
    /** dx = (d − mean(d) − x̂ mean(d x̂)) / √(variance + ε) with d = gain dy. */
    backward(slot, range, dy, dyAt, dyStride, gain, dGain) {
      const { from, count } = ranges[range]!;
      for (let n = 0; n < N; n++) {
        const at = (slot * N + n) * columns + from;
        const dyRow = dyAt + n * dyStride;
        let sum = 0;
        let product = 0;
        for (let k = 0; k < count; k++) {
          const change = dy[dyRow + k]! * values[at + k]!;
          dGain[from + k] = dGain[from + k]! + change;
          sum += gain[from + k]! * dy[dyRow + k]!;
          product += gain[from + k]! * change;
        }
        const inverse = inverses[slot * size + range * N + n]!;
        for (let k = 0; k < count; k++) {
          const d = gain[from + k]! * dy[dyRow + k]!;
          values[at + k] = (d - sum / count - (values[at + k]! * product) / count) * inverse;
        }
      }
    },
  };
}

/**
 * Batch normalisation of one time step (Cooijmans et al. 2016): each column by the mean and variance of its rows that are not padding, which move the
 * running ones; or, outside of training, by the running ones. Its columns stand from `offset` on in the statistics. Sums are in double.
 */
export function batchNormalization(
  { N, columns, ranges, values, inverses }: NormalizationRoom,
  statistics: BatchStatistics,
  offset: number,
): Normalization {
  const size = inverseSize(N, columns, ranges.length);
  const { rows, moments } = statistics;

  /** By the batch's moments: column k, whose first element is at `at`; returns 1 / √(variance + ε). */
  function byBatch(at: number, k: number): number {
    const { count } = statistics;
    let sum = 0;
    for (let r = 0; r < count; r++) sum += values[at + rows[r]! * columns]!;
    const mean = sum / count;
    let squares = 0;
    for (let r = 0; r < count; r++) squares += (values[at + rows[r]! * columns]! - mean) ** 2;
    const inverse = 1 / Math.sqrt(squares / count + epsilon);
    for (let r = 0; r < count; r++) {
      const i = at + rows[r]! * columns;
      values[i] = (values[i]! - mean) * inverse;
    }
    statistics.move(offset + k, mean, squares / count);
    return inverse;
  }

  function byRunning(at: number, k: number): number {
    for (let n = 0; n < N; n++) {
      const place = statistics.place(n, offset + k);
      const i = at + n * columns;
      values[i] = (values[i]! - moments.mean[place]!) / Math.sqrt(moments.variance[place]! + epsilon);
    }
    return 1 / Math.sqrt(moments.variance[statistics.place(0, offset + k)]! + epsilon);
  }

  return {
    columns,
    values,
    forward(slot, range) {
      const { from, count } = ranges[range]!;
      for (let k = from; k < from + count; k++) {
        const at = slot * N * columns + k;
        inverses[slot * size + k] = statistics.training ? byBatch(at, k) : byRunning(at, k);
      }
    },
    /** As by layer, but over rows; running statistics are constants. */
    backward(slot, range, dy, dyAt, dyStride, gain, dGain) {
      const { from, count } = ranges[range]!;
      for (let k = from; k < from + count; k++) {
        const at = slot * N * columns + k;
        const dyColumn = dyAt + k - from;
        let sum = 0;
        let product = 0;
        for (let r = 0; r < statistics.count; r++) {
          const d = dy[dyColumn + rows[r]! * dyStride]!;
          sum += d;
          product += d * values[at + rows[r]! * columns]!;
        }
        dGain[k] = dGain[k]! + product;
        const inverse = gain[k]! * inverses[slot * size + k]!;
        const [mean, slope] = statistics.training
          ? [sum / statistics.count, product / statistics.count]
          : [0, 0];
        for (let n = 0, r = 0; n < N; n++) {
          const i = at + n * columns;
          const present = r < statistics.count && rows[r] === n;
          if (present) r++;
          values[i] = present ? (dy[dyColumn + n * dyStride]! - mean - values[i]! * slope) * inverse : 0;
        }
      }
    },
  };
}
