import type * as tf from '@tensorflow/tfjs-core';
import type { RecurrentLayer } from '../backend.ts';
import type { Normalized } from './normalization.ts';

/** A layer's parameters as matrices; vectors have one row. What the layer has not is null. */
export interface CellWeights {
  /** [1,G·H]; `biasHh` is zeros where the layer has none. */
  readonly biasIh: tf.Tensor;
  readonly biasHh: tf.Tensor;
  /** [3,H] of i, f, o. */
  readonly peephole: tf.Tensor | null;
  /** [1,H]. */
  readonly gainCell: tf.Tensor | null;
  readonly biasCell: tf.Tensor | null;
}

/** One step as the pointwise half of a cell sees it; matrices are [N,H] unless said otherwise. */
export interface ForwardStep {
  readonly layer: RecurrentLayer;
  readonly weights: CellWeights;
  /** The input's sum of all gates, [N,G·H], without biases. */
  readonly input: tf.Tensor;
  readonly h: tf.Tensor;
  /** LSTM only. */
  readonly c: tf.Tensor | null;
  /** What recurrent dropout multiplies the candidate by; null: none. */
  readonly mask: tf.Tensor | null;
  /** The product of `source` with the cell's blocks of W of that range, normalised and scaled if the layer is. */
  hidden(range: number, source: tf.Tensor): tf.Tensor;
  /** c normalised, not yet scaled; null: the layer does not normalise it. */
  normalizeCell(c: tf.Tensor): Normalized | null;
}

export interface BackwardStep<Kept> {
  readonly layer: RecurrentLayer;
  readonly weights: CellWeights;
  readonly kept: Kept;
  readonly mask: tf.Tensor | null;
  /** ∂L/∂h_t and, LSTM, ∂L/∂c_t without what comes through h_t. */
  readonly dh: tf.Tensor;
  readonly dc: tf.Tensor | null;
  /** From the gradient of a range's product, that of its source. */
  hidden(range: number, dProduct: tf.Tensor): tf.Tensor;
  /** From the gradient of c normalised, that of c. */
  normalizeCell(d: tf.Tensor, normalized: Normalized): tf.Tensor;
}

/** Gradients of one step. */
export interface CellGradients {
  /** Of the input's sum and of the hidden products, [N,G·H]; the latter null where there are none. */
  readonly dInput: tf.Tensor;
  readonly dHidden: tf.Tensor | null;
  /** ∂L/∂h_{t−1} and ∂L/∂c_{t−1}. */
  readonly dh: tf.Tensor;
  readonly dc: tf.Tensor | null;
  /** Of parameters that the cell alone knows. */
  readonly peephole?: tf.Tensor;
  readonly gainCell?: tf.Tensor;
  readonly biasCell?: tf.Tensor;
}

/** The pointwise half of a recurrent cell in operations, forward and back; `Kept` is what one leaves for the other. */
export interface Cell<Kept extends object = object> {
  /** Blocks of W that are multiplied at once, as [first, count]; the second range waits for what the first gave. */
  readonly ranges: readonly (readonly [first: number, count: number])[];
  forward(step: ForwardStep): { readonly h: tf.Tensor; readonly c: tf.Tensor | null; readonly kept: Kept };
  backward(step: BackwardStep<Kept>): CellGradients;
}
