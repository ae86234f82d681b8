import type { StatisticsArrays } from '../checks/recurrent-options.ts';

/** The running statistics of a layer at the time step that a pass stands at; see `NormStatistics`. */
export interface BatchStatistics {
  /** true: the batch's own moments normalise and move the running ones. */
  readonly training: boolean;
  /** Goes to step t of the sequences; a training pass counts one more batch of `rows` rows there. */
  go(t: number, rows: number): void;
  /** Moves the running moments of a column towards those of the batch. `variance` is biased. */
  move(column: number, mean: number, variance: number): void;
  /** The running moments of a column, for row n. */
  running(n: number, column: number): { readonly mean: number; readonly variance: number };
}

/** `positions`: t of each row by itself, instead of the t of `go`. */
export function createBatchStatistics(
  { mean, variance, batches }: StatisticsArrays,
  training: boolean,
  positions: Int32Array | null,
): BatchStatistics {
  const steps = batches.length;
  const columns = mean.length / steps;
  let row = 0;
  let share = 0;
  let unbias = 1;

  /** The last step that has seen a batch, so that longer sequences than any in training find something. */
  let last = steps - 1;
  while (last > 0 && !(batches[last]! > 0)) last--;
  const rowOf = (t: number) => Math.min(t, training ? steps - 1 : last);

  return {
    training,
    go(t, rows) {
      row = rowOf(t);
      share = 0;
      // One row says nothing about a variance.
      if (!training || rows < 2) return;
      batches[row] = batches[row]! + 1;
      share = Math.max(0.1, 1 / batches[row]!);
      unbias = rows / (rows - 1);
    },
    move(column, batchMean, batchVariance) {
      if (share === 0) return;
      const at = row * columns + column;
      mean[at] = (1 - share) * mean[at]! + share * batchMean;
      variance[at] = (1 - share) * variance[at]! + share * unbias * batchVariance;
    },
    running(n, column) {
      const at = (positions ? rowOf(positions[n]!) : row) * columns + column;
      return { mean: mean[at]!, variance: variance[at]! };
    },
  };
}
