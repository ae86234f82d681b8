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

/** Layer normalisation (Ba, Kiros and Hinton 2016): each row by its own mean and variance. */
export function layerNormalization(room: NormalizationRoom): Normalization {
  const { N, columns, ranges, values, inverses } = room;
  const size = inverseSize(N, columns, ranges.length);
  return {
    columns,
    values,
    forward(slot, range) {
      const { from, count } = ranges[range]!;
      for (let n = 0; n < N; n++) {
        const at = (slot * N + n) * columns + from;
        inverses[slot * size + range * N + n] = normalizeLine(values, at, 1, count);
      }
    },
    backward(slot, range, dy, dyAt, dyStride, gain, dGain) {
      const { from, count } = ranges[range]!;
      for (let n = 0; n < N; n++) {
        const at = (slot * N + n) * columns + from;
        gainGradient(values, at, dy, dyAt + n * dyStride, count, from, dGain);
        lineGradient(
          values,
          at,
          1,
          count,
          dy,
          dyAt + n * dyStride,
          1,
          gain,
          from,
          1,
          inverses[slot * size + range * N + n]!,
        );
      }
    },
  };
}

/**
 * Batch normalisation of one time step (Cooijmans et al. 2016): each column by the mean and variance of its rows, which move the running ones, or by
 * the running ones alone.
 */
export function batchNormalization(
  room: NormalizationRoom,
  statistics: BatchStatistics,
  offset: number,
): Normalization {
  const { N, columns, ranges, values, inverses } = room;
  const size = inverseSize(N, columns, ranges.length);
  return {
    columns,
    values,
    forward(slot, range) {
      const { from, count } = ranges[range]!;
      for (let k = from; k < from + count; k++) {
        const at = slot * N * columns + k;
        inverses[slot * size + k] = statistics.training
          ? normalizeLine(values, at, columns, N, (mean, variance) =>
              statistics.move(offset + k, mean, variance),
            )
          : useRunning(values, at, columns, N, statistics, offset + k);
      }
    },
    backward(slot, range, dy, dyAt, dyStride, gain, dGain) {
      const { from, count } = ranges[range]!;
      for (let n = 0; n < N; n++)
        gainGradient(values, (slot * N + n) * columns + from, dy, dyAt + n * dyStride, count, from, dGain);
      for (let k = 0; k < count; k++) {
        const at = slot * N * columns + from + k;
        const inverse = inverses[slot * size + from + k]!;
        if (statistics.training)
          lineGradient(values, at, columns, N, dy, dyAt + k, dyStride, gain, from + k, 0, inverse);
        else
          for (let n = 0; n < N; n++)
            values[at + n * columns] = inverse * gain[from + k]! * dy[dyAt + n * dyStride + k]!;
      }
    },
  };
}

/** x ← x̂ over `count` elements `stride` apart; returns 1 / √(variance + ε). Sums are in double. */
function normalizeLine(
  x: RealArray,
  at: number,
  stride: number,
  count: number,
  seen?: (mean: number, variance: number) => void,
): number {
  let sum = 0;
  for (let k = 0; k < count; k++) sum += x[at + k * stride]!;
  const mean = sum / count;
  let squares = 0;
  for (let k = 0; k < count; k++) squares += (x[at + k * stride]! - mean) * (x[at + k * stride]! - mean);
  const inverse = 1 / Math.sqrt(squares / count + epsilon);
  for (let k = 0; k < count; k++) x[at + k * stride] = (x[at + k * stride]! - mean) * inverse;
  seen?.(mean, squares / count);
  return inverse;
}

/** A column by its running statistics, which may differ from row to row; returns what divides the first row. */
function useRunning(
  x: RealArray,
  at: number,
  stride: number,
  count: number,
  statistics: BatchStatistics,
  column: number,
): number {
  for (let n = 0; n < count; n++) {
    const { mean, variance } = statistics.running(n, column);
    x[at + n * stride] = (x[at + n * stride]! - mean) / Math.sqrt(variance + epsilon);
  }
  return 1 / Math.sqrt(statistics.running(0, column).variance + epsilon);
}

/** dGain += dy x̂ over one row. */
function gainGradient(
  values: RealArray,
  at: number,
  dy: RealArray,
  dyAt: number,
  count: number,
  from: number,
  dGain: Float64Array,
): void {
  for (let k = 0; k < count; k++) dGain[from + k] = dGain[from + k]! + dy[dyAt + k]! * values[at + k]!;
}

/** x̂ ← dx = (d − mean(d) − x̂ mean(d x̂)) · inverse with d = gain dy, over one line of elements that were normalised together. */
function lineGradient(
  values: RealArray,
  at: number,
  stride: number,
  count: number,
  dy: RealArray,
  dyAt: number,
  dyStride: number,
  gain: RealArray,
  gainAt: number,
  gainStride: number,
  inverse: number,
): void {
  let sum = 0;
  let product = 0;
  for (let k = 0; k < count; k++) {
    const d = gain[gainAt + k * gainStride]! * dy[dyAt + k * dyStride]!;
    sum += d;
    product += d * values[at + k * stride]!;
  }
  for (let k = 0; k < count; k++) {
    const d = gain[gainAt + k * gainStride]! * dy[dyAt + k * dyStride]!;
    const x = values[at + k * stride]!;
    values[at + k * stride] = (d - sum / count - (x * product) / count) * inverse;
  }
}
