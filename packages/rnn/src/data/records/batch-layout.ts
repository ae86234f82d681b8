import type { JobSpec } from '@unfold/contracts';
import type { RecordEncoding } from './record-encoding.ts';

/**
 * Records side by side, time-major and padded to the longest: T = `steps`, N = `rows`. Padding is 0 in inputs, −1 or masked in targets.
 *
 * Inputs and targets by task:
 * - text (language_model, conditional_generation): inputs `<s>`, y_1 … y_τ, targets y_1 … y_τ and, by `model.length`, eos: `<s>` at
 *   step τ + 1; bernoulli: nothing (−1) there, where halting is the target; countdown: inputs end at y_{τ−1}, so that T = τ and the
 *   remaining length after step t of row n is `lengths[n]` − t;
 * - sequence_labeling: inputs and targets of the same steps;
 * - classification: `targets` is [N];
 * - forecasting: inputs v_1 … v_{τ−1}, targets v_2 … v_τ.
 */
export interface RecordBatch {
  rows: number;
  steps: number;
  /** [N], time steps of each row. */
  lengths: Int32Array;
  /** [N], the number of each record within its part: what its random masks are keyed by. */
  sequences: Int32Array;
  /** Tokens [T,N], or numbers [T,N,C]. */
  inputs: Int32Array | Float32Array;
  /** Tokens [T,N], or classes [N], −1 where there is no loss; or numbers [T,N,V]. */
  targets: Int32Array | Float32Array;
  /** [T,N] of numeric targets: 0 where there is no loss. null: targets are tokens or classes. */
  mask: Int32Array | null;
  /** How many targets have a loss. */
  count: number;
  /** Context labels [N] or vectors [N,C]; null without context. */
  context: Int32Array | Float32Array | null;
}

/** A record as an index has it. */
export interface Entry {
  record: number;
  offset: number;
  length: number;
}

/** Ids, or numbers. */
export type Input = Int32Array | Float32Array;

/** One after the other. Spread into arguments, a long sequence would overflow the stack. */
export const joinIds = (first: ArrayLike<number>, then: ArrayLike<number>): Int32Array => {
  const ids = new Int32Array(first.length + then.length);
  ids.set(first);
  ids.set(then, first.length);
  return ids;
};

/** Rows [length, width] side by side as [T,N,width], `padding` beyond their ends. */
export const pad = (rows: Input[], steps: number, width: number, padding: number): Input => {
  const N = rows.length;
  const numbers = rows[0] instanceof Float32Array;
  const all = numbers ? new Float32Array(steps * N * width) : new Int32Array(steps * N * width);
  if (padding !== 0) all.fill(padding);
  rows.forEach((row, n) => {
    const length = row.length / width;
    for (let t = 0; t < length; t++)
      for (let k = 0; k < width; k++) all[(t * N + n) * width + k] = row[t * width + k]!;
  });
  return all;
};

/** NaN rows become zeros that have no loss. */
export const masked = (
  targets: Float32Array,
  width: number,
): Pick<RecordBatch, 'targets' | 'mask' | 'count'> => {
  const mask = new Int32Array(targets.length / width);
  let count = 0;
  for (let row = 0; row < mask.length; row++) {
    if (Number.isNaN(targets[row * width]!)) targets.fill(0, row * width, (row + 1) * width);
    else {
      mask[row] = 1;
      count++;
    }
  }
  return { targets, mask, count };
};

/**
 * How many targets of a record have a loss in these layouts.
 * @param length time steps of its input
 * @param output where it has one of its own
 */
export const countTargets = (
  encoding: Pick<RecordEncoding, 'input' | 'output'>,
  length: number,
  output: Input | undefined,
  ending: JobSpec['model']['length'],
): number => {
  switch (encoding.output?.kind) {
    case undefined:
      if (encoding.input.kind === 'vectors') return length - 1;
      return ending === 'eos' ? length + 1 : length;
    case 'label':
      return 1;
    case 'tokens':
      return (output as Int32Array).filter((id) => id >= 0).length;
    case 'vectors': {
      const width = output!.length / length;
      return output!.filter((value, k) => k % width === 0 && !Number.isNaN(value)).length;
    }
  }
};

type Next = Pick<RecordBatch, 'steps' | 'lengths' | 'inputs' | 'targets' | 'mask' | 'count'>;

export const nextVectors = (entries: Entry[], rows: { input: Input }[], width: number): Next => {
  const lengths = Int32Array.from(entries, ({ length }) => length - 1);
  const steps = Math.max(...lengths);
  const inputs = pad(
    rows.map(({ input }) => input.subarray(0, input.length - width)),
    steps,
    width,
    0,
  );
  const targets = pad(
    rows.map(({ input }) => input.subarray(width)),
    steps,
    width,
    Number.NaN,
  );
  return { steps, lengths, inputs, ...masked(targets as Float32Array, width) };
};

export const nextTokens = (
  entries: Entry[],
  rows: { input: Input }[],
  encoding: Exclude<RecordEncoding['input'], { kind: 'vectors' }>,
  length: JobSpec['model']['length'],
): Next => {
  const boundary = encoding.kind === 'text' ? encoding.tokenizer.boundary! : 0;
  const ending = length === 'countdown' ? 0 : 1;
  const lengths = Int32Array.from(entries, (entry) => entry.length + ending);
  const steps = Math.max(...lengths);
  const inputs = pad(
    rows.map(({ input }) => joinIds([boundary], input.subarray(0, input.length - 1 + ending))),
    steps,
    1,
    0,
  );
  const last = length === 'eos' ? [boundary] : [];
  const targets = pad(
    rows.map(({ input }) => joinIds(input, last)),
    steps,
    1,
    -1,
  );
  const count = (targets as Int32Array).filter((id) => id >= 0).length;
  return { steps, lengths, inputs, targets, mask: null, count };
};
