import * as tf from '@tensorflow/tfjs-core';
import type { StatisticsArrays } from '../checks/recurrent-options.ts';
import { ints } from './context.ts';
import { elementsOf, type Place, read, write } from './places.ts';

/** Means and variances of one time step, [1, columns]. */
export interface Moments {
  readonly mean: tf.Tensor;
  readonly variance: tf.Tensor;
}

/** The running statistics of a layer at the time step that a pass stands at; see `NormStatistics`. */
export interface BatchStatistics {
  /** true: the batch's own moments normalise and move the running ones. */
  readonly training: boolean;
  /** Goes to step t of the sequences. */
  go(t: number): void;
  /** The running moments of `count` columns: one row, or one for each sequence where their positions differ. */
  running(first: number, count: number): Moments;
  /** Takes the batch's moments of the step's next columns, in their order. The variance is biased. */
  see(mean: tf.Tensor, variance: tf.Tensor): void;
  /** All that was seen at this step. */
  seen(): Moments;
  /** Moves the running moments of this step towards those of its `count` rows; fewer than two say nothing about a variance. */
  move(seen: Moments, count: number): void;
  /** Writes what has moved. */
  finish(): void;
}

/** `positions`: t of each row by itself, instead of the t of `go`. To be made, moved and finished within one `tf.tidy`. */
export function createBatchStatistics(
  places: StatisticsArrays<Place>,
  training: boolean,
  positions: Int32Array | null,
): BatchStatistics {
  const steps = places.batches.length;
  const columns = places.mean.length / steps;
  const mean = read(places.mean, [steps, columns]);
  const variance = read(places.variance, [steps, columns]);
  const batches = elementsOf(read(places.batches, [steps]));
  const moved = new Map<number, Moments>();
  let step = 0;
  let parts: Moments[] = [];
  /** The last step that has seen a batch, so that longer sequences than any in training find something. */
  let last = steps - 1;
  while (last > 0 && !(batches[last]! > 0)) last--;
  const stepOf = (t: number) => Math.min(t, training ? steps - 1 : last);

  const rowOf = (at: number): Moments =>
    moved.get(at) ?? {
      mean: tf.slice(mean, [at, 0], [1, columns]),
      variance: tf.slice(variance, [at, 0], [1, columns]),
    };

  return {
    training,
    go(t) {
      step = stepOf(t);
      parts = [];
    },
    running(first, count) {
      const rows = positions ? ints(positions.map(stepOf)) : ints([step]);
      const part = (table: tf.Tensor) => tf.gather(tf.slice(table, [0, first], [steps, count]), rows);
      return { mean: part(mean), variance: part(variance) };
    },
    see: (batchMean, batchVariance) => void parts.push({ mean: batchMean, variance: batchVariance }),
    seen: () => ({
      mean: tf.concat(
        parts.map((part) => part.mean),
        1,
      ),
      variance: tf.concat(
        parts.map((part) => part.variance),
        1,
      ),
    }),
    move(seen, count) {
      if (count < 2) return;
      batches[step]!++;
      const share = Math.max(0.1, 1 / batches[step]!);
      const row = rowOf(step);
      const mix = (old: tf.Tensor, fresh: tf.Tensor, by: number) =>
        tf.add(tf.mul(old, 1 - share), tf.mul(fresh, by));
      moved.set(step, {
        mean: mix(row.mean, seen.mean, share),
        variance: mix(row.variance, seen.variance, (share * count) / (count - 1)),
      });
    },
    finish() {
      if (moved.size === 0) return;
      const rows = Array.from({ length: steps }, (_, at) => rowOf(at));
      write(places.mean, tf.concat(rows.map((row) => row.mean)));
      write(places.variance, tf.concat(rows.map((row) => row.variance)));
      write(places.batches, tf.tensor1d(batches));
    },
  };
}
