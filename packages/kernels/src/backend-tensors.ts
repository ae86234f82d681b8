import type { RecurrentLayer } from './backend-layer.ts';

/** A number type of a tensor: `real` is the backend's working precision, `int` is int32, `double` holds scalars such as losses and norms in the widest type that the device has. */
export type TensorType = 'real' | 'int' | 'double';

/** Host values as given and taken: `Float32Array` for `real` (Float64Array on a backend of float64 precision), `Int32Array` for `int`, `Float64Array` for `double`. */
export type TensorValues = Float32Array | Float64Array | Int32Array;

/** Memory of one backend. Opaque: only the backend that made it may look inside. */
export interface Tensor {
  readonly type: TensorType;
  readonly shape: readonly number[];
}

/** What a parameter is for, which tells a backend how to lay it out. The shape in PyTorch's layout stands behind each. */
export type ParameterRole =
  /** [G·H, C], PyTorch's `weight_ih_l*`. */
  | { readonly use: 'weight_ih'; readonly layer: RecurrentLayer }
  /** [G·H, H], PyTorch's `weight_hh_l*`. */
  | { readonly use: 'weight_hh'; readonly layer: RecurrentLayer }
  /** [G·H], PyTorch's `bias_ih_l*` and `bias_hh_l*`. */
  | { readonly use: 'recurrent_bias'; readonly layer: RecurrentLayer }
  /** [G·H], `gainIh` and `gainHh` of a normalised layer. */
  | { readonly use: 'recurrent_gain'; readonly layer: RecurrentLayer }
  /** [3,H], an LSTM's peepholes of i, f and o. */
  | { readonly use: 'peephole'; readonly layer: RecurrentLayer }
  /** [H], `gainCell` and `biasCell` of a normalised LSTM. */
  | { readonly use: 'cell_norm'; readonly layer: RecurrentLayer }
  /** [normSteps, columns], see `NormStatistics`. */
  | { readonly use: 'norm_statistics'; readonly layer: RecurrentLayer; readonly of: 'moments' | 'batches' }
  /** [outputs, inputs], PyTorch's `Linear.weight`. */
  | { readonly use: 'dense'; readonly outputs: number; readonly inputs: number }
  /**
   * [rows, columns], PyTorch's `Embedding.weight`. May also serve as the weight of a dense layer (tied weights). `transposed`: a linear layer's
   * weight [columns, rows] whose inputs are one-hot, so that a look-up takes the place of the product; in calls it is the table all the same.
   */
  | {
      readonly use: 'embedding';
      readonly rows: number;
      readonly columns: number;
      readonly transposed?: boolean;
    }
  /** [size], a dense layer's bias. */
  | { readonly use: 'bias'; readonly size: number };

/** A tensor of type `real` in its role's layout. `shape` is PyTorch's. */
export interface Parameter extends Tensor {
  readonly role: ParameterRole;
}
