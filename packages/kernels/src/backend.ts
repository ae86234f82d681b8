/**
 * What every compute engine can do. Layers, losses, optimizers and training loops are written once over this interface.
 *
 * **Dimension letters**, the same in the whole library:
 * - `T` time steps, `N` sequences in a batch, `C` input size, `H` hidden size, `V` output size (vocabulary),
 * - `G` gate blocks of a cell: elman 1, gru 3 (r, z, n), lstm 4 (i, f, g, o).
 *
 * **Time.** A call enqueues work and returns; calls take effect in the order in which they were made. Only reading back
 * (`download`, `synchronize`) is asynchronous. Wrong shapes, types or aliases throw a `RangeError` or `TypeError` at the call.
 *
 * **Memory.** The caller creates every tensor, also the outputs, and releases it; kernels create nothing, so that memory is
 * flat from step to step. Outputs are overwritten unless a field says "accumulates". An output must not share memory with
 * another tensor of the same call unless its field allows it.
 *
 * **Layout.** A plain tensor is row-major. A parameter lives in the layout that its backend likes for its role; its gradient
 * and moments are made by `like` and have the same layout, so that optimizer steps are elementwise. `upload` and `download`
 * convert to PyTorch's row-major layout and gate order. Padding, if a layout has any, is zero and stays zero.
 *
 * **Rows.** In every kernel whose result has a row per sequence or token (dense, recurrent, embedding, loss, log-softmax),
 * the bits of a row depend on that row's inputs only, never on how many rows there are or on its place among them.
 *
 * **NaN.** NaN in, NaN out, in every kernel.
 */

import type { RecurrentLayer } from './backend-layer.ts';
import type {
  BernoulliCrossEntropy,
  LogSoftmax,
  Softmax,
  SoftmaxBackward,
  SoftmaxCrossEntropy,
  SquaredError,
} from './backend-losses.ts';
import type { AdagradStep, AdamStep, RmspropStep, SgdStep } from './backend-optimizers.ts';
import type {
  RandomKey,
  RecurrentBackward,
  RecurrentForward,
  RecurrentStep,
  SavedActivations,
} from './backend-recurrent.ts';
import type {
  Concatenate,
  GatherRows,
  ScaleRows,
  ScatterAddRows,
  Split,
  Tanh,
  TanhBackward,
} from './backend-rows.ts';
import type { Parameter, ParameterRole, Tensor, TensorType, TensorValues } from './backend-tensors.ts';

export type * from './backend-layer.ts';
export type * from './backend-losses.ts';
export type * from './backend-optimizers.ts';
export type * from './backend-recurrent.ts';
export type * from './backend-rows.ts';
export type * from './backend-tensors.ts';

export interface MatrixProduct {
  /** op(a) is [M,K], op(b) is [K,P]; leading dimensions of a plain tensor count as rows. Plain tensors only. */
  readonly a: Tensor;
  readonly b: Tensor;
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
  /** [P], added to every row; plain or of role `bias`. */
  readonly bias?: Tensor | null;
  /** [M,P]. */
  readonly output: Tensor;
  /** true: adds to `output` instead of overwriting it. Default false. */
  readonly accumulate?: boolean;
}

export interface DenseForward {
  /** […,inputs]. */
  readonly input: Tensor;
  /** Role `dense` or `embedding` (tied). */
  readonly weight: Parameter;
  /** Role `bias`. */
  readonly bias: Parameter | null;
  /** […,outputs] = input · weightᵀ + bias. */
  readonly output: Tensor;
}

export interface DenseBackward {
  readonly input: Tensor;
  readonly weight: Parameter;
  /** […,outputs]. */
  readonly dOutput: Tensor;
  /** […,inputs]; null: not wanted. */
  readonly dInput: Tensor | null;
  /** Accumulate; null: frozen. */
  readonly dWeight: Parameter | null;
  readonly dBias: Parameter | null;
}

export interface EmbeddingForward {
  /** Role `embedding`, [V,C]. */
  readonly table: Parameter;
  /** int […]; −1 stands for a row of zeros, which has no gradient. */
  readonly tokens: Tensor;
  /** […,C]. */
  readonly output: Tensor;
}

export interface EmbeddingBackward {
  readonly tokens: Tensor;
  readonly dOutput: Tensor;
  /** Accumulates: rows are added in the order of the tokens. */
  readonly dTable: Parameter;
}

/**
 * Inverted dropout as PyTorch's: an element is dropped with probability `rate`, where the draw of its place (see `RandomKey`) is below it; kept ones are divided by
 * 1 − rate. The same call on gradients is the backward pass.
 */
export interface Dropout extends RandomKey {
  /** [T,N,H]. */
  readonly input: Tensor;
  /** [T,N,H]; may be the tensor `input`. */
  readonly output: Tensor;
  /** 0 ≤ rate < 1. */
  readonly rate: number;
  /** See `randomPurposes`. */
  readonly purpose: number;
  /** t of the first row, for chunks of a window. Default 0. */
  readonly firstStep?: number;
  /** true: one mask for all time steps (Gal and Ghahramani 2016), the one of t = 0. Default false. */
  readonly variational?: boolean;
}

/** What runs the numbers, as it stands in checkpoints and job resources: two equal `engine` strings promise equal bits. */
export interface BackendDescription {
  readonly name: string;
  /** Name, instruction set and precision, such as `reference-float32`. */
  readonly engine: string;
  readonly device: string;
  /** bf16, f16: products round their operands to bfloat16 or to half precision; everything else, sums included, is float32. */
  readonly precision: 'float32' | 'float64' | 'bf16' | 'f16';
  /** Whether this device has no products of its own in this precision: their numbers are the same, but float32 would be faster. */
  readonly emulated: boolean;
}

/** Memory of a device of its own, so that what a job needs can be held beside it before the job begins. In bytes. */
export interface DeviceMemory {
  /** The most that one tensor may have, and all of a backend together; whether the device has that much free, nobody knows beforehand. */
  readonly tensor: number;
  readonly total: number;
  /** What kernels take beside the caller's tensors where gradients of weights, `weights` numbers in the largest parameter, are summed over `rows`. */
  workspace(rows: number, weights: number): number;
}

export interface Backend {
  describe(): BackendDescription;
  /** Absent where tensors stand in the process's own memory. */
  readonly memory?: DeviceMemory;

  /** A tensor of zeros. A dimension may be 0. */
  createTensor(shape: readonly number[], type?: TensorType): Tensor;
  /** A parameter of zeros. */
  createParameter(role: ParameterRole): Parameter;
  /** Zeros in the layout of `parameter`: for its gradient and moments. */
  like(parameter: Parameter): Parameter;
  /** Room for a forward pass of up to `steps` × `sequences`, to be used again and again. */
  createSaved(layer: RecurrentLayer, steps: number, sequences: number): SavedActivations;
  /** Entries first … first + count − 1 of the leading dimension of a plain tensor, sharing its memory; it ends with its owner and is never released itself. */
  view(tensor: Tensor, first: number, count: number): Tensor;
  /** Frees the memory; using it again, also through a view, throws. */
  release(...tensors: readonly (Tensor | SavedActivations)[]): void;

  /** Host to device. `values` has the tensor's size, in PyTorch's layout, and may be changed as soon as the call returns. */
  upload(tensor: Tensor, values: TensorValues | readonly number[]): void;
  /**
   * Device to host, in PyTorch's layout: what the tensor held when this was called. Into `target`, an array of the tensor's size and of the
   * type that `TensorValues` names for it, which must not be touched until the promise resolves, with `target`; else into a fresh array.
   */
  download(tensor: Tensor, target?: TensorValues): Promise<TensorValues>;
  /** Resolves when everything enqueued so far has run. */
  synchronize(): Promise<void>;
  /** Releases everything. */
  close(): void;

  matmul(call: MatrixProduct): void;
  denseForward(call: DenseForward): void;
  denseBackward(call: DenseBackward): void;
  embeddingForward(call: EmbeddingForward): void;
  embeddingBackward(call: EmbeddingBackward): void;

  /** A whole sequence. Cut into chunks whose states are handed on, it gives the same bits. */
  recurrentForward(call: RecurrentForward): void;
  recurrentBackward(call: RecurrentBackward): void;
  /** One step, for generation: the bits of `recurrentForward` with T = 1. */
  recurrentStep(call: RecurrentStep): void;

  softmaxCrossEntropy(call: SoftmaxCrossEntropy): void;
  logSoftmax(call: LogSoftmax): void;
  squaredError(call: SquaredError): void;
  bernoulliCrossEntropy(call: BernoulliCrossEntropy): void;
  softmax(call: Softmax): void;
  softmaxBackward(call: SoftmaxBackward): void;
  /** Forward pass on activations, backward pass on gradients. */
  dropout(call: Dropout): void;

  sgdStep(call: SgdStep): void;
  adamStep(call: AdamStep): void;
  rmspropStep(call: RmspropStep): void;
  adagradStep(call: AdagradStep): void;
  /** √Σ g² over all of `tensors`, summed in double, into `norm`, double [1]. */
  globalNorm(call: { readonly tensors: readonly Tensor[]; readonly norm: Tensor }): void;
  /** g ← g · min(1, maximum / (norm + 1e-6)), as torch.nn.utils.clip_grad_norm_; `norm` from `globalNorm`. */
  clipByNorm(call: {
    readonly tensors: readonly Tensor[];
    readonly norm: Tensor;
    readonly maximum: number;
  }): void;
  /** Each element into [−maximum, maximum]; NaN stays NaN. */
  clipByValue(call: { readonly tensors: readonly Tensor[]; readonly maximum: number }): void;
  /** How many elements are NaN or infinite, into `count`, double [1]. */
  countNonFinite(call: { readonly tensors: readonly Tensor[]; readonly count: Tensor }): void;

  gatherRows(call: GatherRows): void;
  scatterAddRows(call: ScatterAddRows): void;
  concatenate(call: Concatenate): void;
  split(call: Split): void;
  scaleRows(call: ScaleRows): void;
  tanh(call: Tanh): void;
  tanhBackward(call: TanhBackward): void;

  /** t ← 0. */
  zero(...tensors: readonly Tensor[]): void;
  /** target ← source; same shape and type, both plain or both of one role. */
  copy(call: { readonly source: Tensor; readonly target: Tensor }): void;
  /** t ← factor · t. */
  scale(call: { readonly tensor: Tensor; readonly factor: number }): void;
  /** target ← target + factor · source; factor 1 by default. */
  add(call: { readonly source: Tensor; readonly target: Tensor; readonly factor?: number }): void;
}
