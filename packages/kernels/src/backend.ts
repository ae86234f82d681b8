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
  Concatenate,
  GatherRows,
  ScaleRows,
  ScatterAddRows,
  Split,
  Tanh,
  TanhBackward,
} from './backend-rows.ts';

export type * from './backend-losses.ts';
export type * from './backend-optimizers.ts';
export type * from './backend-rows.ts';

/** A number type of a tensor: `real` is the backend's working precision, `int` is int32, `double` holds scalars such as losses and norms in the widest type that the device has. */
export type TensorType = 'real' | 'int' | 'double';

/** Host values as given and taken: `Float32Array` for `real` (Float64Array on a backend of float64 precision), `Int32Array` for `int`, `Float64Array` for `double`. */
export type TensorValues = Float32Array | Float64Array | Int32Array;

/** Memory of one backend. Opaque: only the backend that made it may look inside. */
export interface Tensor {
  readonly type: TensorType;
  readonly shape: readonly number[];
}

export type CellKind = 'elman' | 'gru' | 'lstm';

/** tanh; max(0, x), its derivative 0 at 0; the logistic function; x / (1 + |x|). */
export type Activation = 'tanh' | 'relu' | 'sigmoid' | 'softsign';

/**
 * What a recurrent layer computes. x_t is the input [N,C], h and c are states [N,H], σ the logistic function, W = weightHh, U = weightIh,
 * a_t = U x_t + b_ih + `injected`_t.
 * - elman: h_t = φ(a_t + W h_{t−1} + b_hh), φ being `activation`;
 * - lstm: i, f, g, o = σ, σ, κ, σ of the blocks of a_t + W h_{t−1} + b_hh, κ being `candidateActivation`; c_t = f c_{t−1} + i g; h_t = o tanh(c_t);
 * - gru, reset after the product, as in PyTorch: r, z = σ(a_t + W h_{t−1} + b_hh); n = tanh(a_n + r (W_n h_{t−1} + b_hn));
 *   h_t = (1 − z) n + z h_{t−1}; reset before it, as first published: n = tanh(a_n + W_n (r h_{t−1}) + b_hn).
 *
 * Options; each defaults to the plain cell. One that a cell has no place for throws a `RangeError`.
 */
export interface RecurrentLayer {
  readonly cell: CellKind;
  /** φ of an Elman layer; other cells ignore it. Default tanh. */
  readonly activation?: Activation;
  /** LSTM: κ, the squashing function of the candidate g alone. Default tanh. */
  readonly candidateActivation?: Activation;
  /** LSTM: the parameter `peephole` p joins the gates, i and f by p c_{t−1}, o by p c_t, elementwise (Gers and Schmidhuber 2000). Default false. */
  readonly peephole?: boolean;
  /** GRU. Default `after`. */
  readonly reset?: 'after' | 'before';
  /**
   * Every product is normalised by itself, x̂ = (x − mean) / √(variance + 1e-5), biased variance, and then scaled: `gainIh` · x̂ replaces U x, `gainHh` · x̂ replaces
   * W h, and in an LSTM h_t = o tanh(`gainCell` · ĉ_t + `biasCell`) while c_t itself flows on. The biases of the two products are b_ih and b_hh; `injected` is
   * not normalised.
   * - `layer` (Ba, Kiros and Hinton 2016): over the units of one row, all gates together (a GRU with reset before: r and z together, n by itself);
   * - `batch` (Cooijmans et al. 2016): over the batch's rows that are not padding, each time step by itself. In training this is the one place where rows
   *   depend on each other. At inference the running `statistics` stand in.
   * Default none.
   */
  readonly norm?: 'none' | 'layer' | 'batch';
  /** `batch`: how many first time steps have running statistics of their own, ≥ 1; later ones share the last that was seen. */
  readonly normSteps?: number;
  /** Elman: false removes W h_{t−1} + b_hh, so that no step waits for another; `weightHh` and `biasHh` are null then, and there are no states in or out. Default true. */
  readonly recurrent?: boolean;
  /**
   * Zoneout (Krueger et al. 2016): the share of units of h and of c (LSTM) that keep their value from t − 1, 0 ≤ rate < 1. At inference every unit takes the expectation,
   * rate · old + (1 − rate) · new. h_t is computed from the new c_t, before zoneout. Default 0.
   */
  readonly zoneout?: { readonly hidden: number; readonly cell: number };
  /** LSTM and GRU: dropout of the candidate g or n (Semeniuta, Severyn and Barth 2016), inverted, so that inference needs nothing. 0 ≤ rate < 1. Default 0. */
  readonly recurrentDropout?: number;
  /** C. With tokens as input: how many tokens there are. */
  readonly inputSize: number;
  /** H. */
  readonly hiddenSize: number;
  /** `dense`: real [T,N,C]. `tokens`: int [T,N], each standing for the one-hot vector of its id; the product is a look-up. */
  readonly input: 'dense' | 'tokens';
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

/** The parameters of a recurrent layer, or their gradients. Null or absent is what the layer's options do not call for, and nothing else. */
export interface RecurrentParameters {
  readonly weightIh: Parameter;
  readonly biasIh: Parameter;
  /** Null where `layer.recurrent` is false. */
  readonly weightHh: Parameter | null;
  readonly biasHh: Parameter | null;
  /** Role `peephole`. */
  readonly peephole?: Parameter | null;
  /** Role `recurrent_gain`; both start at 1 with `layer`, at 0.1 with `batch`. `gainHh` is null where `layer.recurrent` is false. */
  readonly gainIh?: Parameter | null;
  readonly gainHh?: Parameter | null;
  /** Role `cell_norm`, LSTM only. */
  readonly gainCell?: Parameter | null;
  readonly biasCell?: Parameter | null;
}

/** Gradients of a recurrent layer's parameters; null or absent: frozen, nothing is computed. */
export type RecurrentGradients = {
  readonly [K in 'weightIh' | 'biasIh' | 'weightHh' | 'biasHh']: Parameter | null;
} & { readonly [K in 'peephole' | 'gainIh' | 'gainHh' | 'gainCell' | 'biasCell']?: Parameter | null };

/**
 * What batch normalisation has seen, one row a time step: no trained parameters, but part of the model. Columns of `mean` and `variance`: those of U x [G·H] in
 * PyTorch's gate order, of W h [G·H] (unless `layer.recurrent` is false), of c [H] (LSTM). A training pass moves row t to (1 − m) · row + m · the batch's, m being
 * max(0.1, 1 / how many batches it saw), the variance unbiased; fewer than two rows left at t change nothing.
 */
export interface NormStatistics {
  /** Role `norm_statistics` of `moments`, [normSteps, 2·G·H + H]. */
  readonly mean: Parameter;
  readonly variance: Parameter;
  /** Role `norm_statistics` of `batches`, [normSteps, 1]: how many batches each row has seen. */
  readonly batches: Parameter;
}

/**
 * Where random masks are drawn. A draw is a pure function of its place: element (t, n, u) takes word u mod 4 of
 * Philox4x32-10(counter = [step, sequences[n], t, ⌊u / 4⌋], key = [seed, purpose · 65536 + layer]) / 2³², on its upper 24 bits.
 */
export interface RandomKey {
  readonly seed: number;
  readonly step: number;
  readonly layer: number;
  /** int [N]: which sequence (or lane) each row is; null: row n is sequence n. */
  readonly sequences: Tensor | null;
}

/**
 * What a recurrent forward pass leaves for its backward pass: gates, cell states and its own copy of h0 and c0. It refers to the
 * input and the output of that pass, which must not change until backward has run. Backward consumes it: one backward per forward.
 */
export interface SavedActivations {
  readonly layer: RecurrentLayer;
  /** Most steps and sequences that it can hold. */
  readonly steps: number;
  readonly sequences: number;
}

export interface RecurrentForward {
  readonly layer: RecurrentLayer;
  readonly parameters: RecurrentParameters;
  /** real [T,N,C] or int [T,N], as `layer.input` says. */
  readonly input: Tensor;
  /** [T,N,G·H] in PyTorch's gate order, added to the gates' input sum (a GRU's n: outside the reset). Null or absent: nothing is added. */
  readonly injected?: Tensor | null;
  /** `norm: 'batch'` only. */
  readonly statistics?: NormStatistics | null;
  /**
   * Present: a training pass, with masks drawn here (purposes `zoneoutHidden`, `zoneoutCell`, `recurrentDropout`) and the batch's own statistics, which move
   * the running ones. Null or absent: inference. Only layers with such options look at it.
   */
  readonly training?: RandomKey | null;
  /** t of the first step within its sequences, for chunks: where masks and running statistics count from. Default 0. */
  readonly firstStep?: number;
  /** [N,H]; null: zeros. */
  readonly h0: Tensor | null;
  /** [N,H], LSTM only; null: zeros. */
  readonly c0: Tensor | null;
  /**
   * int [N], from 0 to T: how many steps each sequence has; null or absent: all have T. Beyond its length a sequence's input is not used
   * (it must be finite, tokens in range), its output rows are 0 and its states stay, so that `hT` and `cT` are those of its own last step.
   * The rows of such a batch have the bits that they have alone. Sequences sorted by falling length cost least. Default null.
   */
  readonly lengths?: Tensor | null;
  /** h_1 … h_T, [T,N,H]. */
  readonly output: Tensor;
  /** Final states out, [N,H]; null: not wanted. `hT` may be the tensor `h0`, `cT` may be `c0`: a state that flows on. */
  readonly hT: Tensor | null;
  readonly cT: Tensor | null;
  /** null: no backward pass will follow. */
  readonly saved: SavedActivations | null;
}

export interface RecurrentBackward {
  readonly layer: RecurrentLayer;
  readonly parameters: RecurrentParameters;
  /** Accumulates. */
  readonly gradients: RecurrentGradients;
  /** From the forward pass; T, N and lengths are that pass's. Rows of `dOutput` beyond a length are ignored, those of `dInput` and `dInjected` are 0. */
  readonly saved: SavedActivations;
  /** ∂L/∂h_t as it arrives from above, [T,N,H]; null: zeros. Only read. */
  readonly dOutput: Tensor | null;
  /** What arrives at the final states from later chunks, [N,H]; null: zeros, which is where truncation cuts. */
  readonly dhT: Tensor | null;
  readonly dcT: Tensor | null;
  /** [T,N,C], null: not wanted (and always null for tokens). May be the tensor `dOutput` where C = H. */
  readonly dInput: Tensor | null;
  /** [T,N,G·H]; null or absent: not wanted. */
  readonly dInjected?: Tensor | null;
  /** [N,H]; null: not wanted. `dh0` may be the tensor `dhT`, `dc0` may be `dcT`. */
  readonly dh0: Tensor | null;
  readonly dc0: Tensor | null;
}

export interface RecurrentStep {
  readonly layer: RecurrentLayer;
  readonly parameters: RecurrentParameters;
  /** real [N,C] or int [N]. */
  readonly input: Tensor;
  /** [N,G·H], see `RecurrentForward`. */
  readonly injected?: Tensor | null;
  /** `norm: 'batch'` only: running statistics, and int [N], t of each row. */
  readonly statistics?: NormStatistics | null;
  readonly positions?: Tensor | null;
  /** States, [N,H], replaced by the next ones. `c` is null but for LSTM. */
  readonly h: Tensor;
  readonly c: Tensor | null;
}

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
  /** bf16: products round both operands to bfloat16; everything else, sums included, is float32. */
  readonly precision: 'float32' | 'float64' | 'bf16';
  /** Whether this device has no products of its own in this precision: their numbers are the same, but float32 would be faster. */
  readonly emulated: boolean;
}

export interface Backend {
  describe(): BackendDescription;

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
