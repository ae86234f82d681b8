import type { StatisticsArrays } from '../checks/recurrent-options.ts';

/** The running statistics of a layer at the time step that a pass stands at; see `NormStatistics`. */
export interface BatchStatistics {
  /** true: the batch's own moments normalise and move the running ones. */
  readonly training: boolean;
  /** Rows that are not padding at this step: the first `count` of `rows`. */
  readonly rows: Int32Array;
  readonly count: number;
  /** Goes to step t of the sequences. `hasEnded` tells which of N rows are padding. */
  go(t: number, N: number, hasEnded: (n: number) => boolean): void;
  /** Counts one more batch here, before its columns are moved. */
  countBatch(): void;
  /** Moves the running moments of a column towards those of the batch. `variance` is biased. */
  move(column: number, mean: number, variance: number): void;
  /** Where the running moments of a column stand for row n. */
  place(n: number, column: number): number;
  readonly moments: StatisticsArrays;
}

/** `positions`: t of each row by itself, instead of the t of `go`. */
export function createBatchStatistics(
  moments: StatisticsArrays,
  N: number,
  training: boolean,
  positions: Int32Array | null,
): BatchStatistics {
  const { mean, variance, batches } = moments;
  const steps = batches.length;
  const columns = mean.length / steps;
  const rows = new Int32Array(N);
  let count = 0;
  let step = 0;
  let share = 0;
  /** The last step that has seen a batch, so that longer sequences than any in training find something. */
  let last = steps - 1;
  while (last > 0 && !(batches[last]! > 0)) last--;
  const stepOf = (t: number) => Math.min(t, training ? steps - 1 : last);

  return {
    training,
    moments,
    rows,
    get count() {
      return count;
    },
    go(t, all, hasEnded) {
      step = stepOf(t);
      count = 0;
      for (let n = 0; n < all; n++) if (!hasEnded(n)) rows[count++] = n;
    },
    countBatch() {
      share = 0;
      // One row says nothing about a variance.
      if (!training || count < 2) return;
      batches[step] = batches[step]! + 1;
      share = Math.max(0.1, 1 / batches[step]!);
    },
    move(column, batchMean, batchVariance) {
      if (share === 0) return;
      const at = step * columns + column;
      const unbiased = (batchVariance * count) / (count - 1);
      mean[at] = (1 - share) * mean[at]! + share * batchMean;
      variance[at] = (1 - share) * variance[at]! + share * unbiased;
    },
    place: (n, column) => (positions ? stepOf(positions[n]!) : step) * columns + column,
  };
}
