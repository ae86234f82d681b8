import type { Tensor } from './backend-tensors.ts';

/**
 * output[r] = source[indices[r]], zeros where the index is −1. Rows are all dimensions but the last of a real tensor, the elements of an int one. What it is
 * for: reversing ragged sequences in time (which is its own inverse), the last step of each, a context for every step, the survivors of a beam.
 */
export interface GatherRows {
  /** real […,K] or int […]. Plain. */
  readonly source: Tensor;
  /** int, as many as `output` has rows; −1 or a row of `source`. */
  readonly indices: Tensor;
  /** real […,K] or int […], of the type of `source`. */
  readonly output: Tensor;
}

/** target[indices[r]] += source[r], none where the index is −1: the gradient of `GatherRows`. The rows of one target are summed in their order. */
export interface ScatterAddRows {
  /** real […,K]. */
  readonly source: Tensor;
  /** int, as many as `source` has rows. */
  readonly indices: Tensor;
  /** real […,K]; accumulates. */
  readonly target: Tensor;
}

/** Rows side by side: output […, Σ K] from inputs […, K_i]. */
export interface Concatenate {
  readonly inputs: readonly Tensor[];
  readonly output: Tensor;
}

/** The inverse of `Concatenate`, and its gradient. */
export interface Split {
  readonly input: Tensor;
  readonly outputs: readonly Tensor[];
  /** true: adds to `outputs`. Default false. */
  readonly accumulate?: boolean;
}

/** output[r] = factors[r] · input[r]. A factor of 0 gives 0 times the row, so that NaN stays. */
export interface ScaleRows {
  /** […,K]. */
  readonly input: Tensor;
  /** real […]: one a row. */
  readonly factors: Tensor;
  /** […,K]; may be the tensor `input`. */
  readonly output: Tensor;
}

export interface Tanh {
  readonly input: Tensor;
  /** May be the tensor `input`. */
  readonly output: Tensor;
}

/** dInput = dOutput · (1 − output²). */
export interface TanhBackward {
  /** What `Tanh` gave. */
  readonly output: Tensor;
  readonly dOutput: Tensor;
  /** May be the tensor `dOutput`. */
  readonly dInput: Tensor;
}
