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

/**
 * What a recurrent layer computes. x_t is the input [N,C], h and c are states [N,H], σ the logistic function, W = weightHh, U = weightIh.
 * - elman: h_t = φ(U x_t + b_ih + W h_{t−1} + b_hh), φ being `activation`;
 * - lstm: i, f, g, o = σ, σ, tanh, σ of the blocks of U x_t + b_ih + W h_{t−1} + b_hh; c_t = f c_{t−1} + i g; h_t = o tanh(c_t);
 * - gru, reset after the product, as in PyTorch: r, z = σ(U x_t + b_ih + W h_{t−1} + b_hh); n = tanh(U_n x_t + b_in + r (W_n h_{t−1} + b_hn));
 *   h_t = (1 − z) n + z h_{t−1}.
 */
export interface RecurrentLayer {
  readonly cell: CellKind;
  /** φ of an Elman layer; other cells ignore it. Default tanh. */
  readonly activation?: 'tanh' | 'relu';
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
  /** [outputs, inputs], PyTorch's `Linear.weight`. */
  | { readonly use: 'dense'; readonly outputs: number; readonly inputs: number }
  /** [rows, columns], PyTorch's `Embedding.weight`. May also serve as the weight of a dense layer (tied weights). */
  | { readonly use: 'embedding'; readonly rows: number; readonly columns: number }
  /** [size], a dense layer's bias. */
  | { readonly use: 'bias'; readonly size: number };

/** A tensor of type `real` in its role's layout. `shape` is PyTorch's. */
export interface Parameter extends Tensor {
  readonly role: ParameterRole;
}

/** The four parameters of a recurrent layer, or their gradients. */
export interface RecurrentParameters {
  readonly weightIh: Parameter;
  readonly weightHh: Parameter;
  readonly biasIh: Parameter;
  readonly biasHh: Parameter;
}

/** Gradients of a recurrent layer's parameters; null: frozen, nothing is computed. */
export type RecurrentGradients = { readonly [K in keyof RecurrentParameters]: Parameter | null };

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
  /** From the forward pass; T, N and lengths are that pass's. Rows of `dOutput` beyond a length are ignored, those of `dInput` are 0. */
  readonly saved: SavedActivations;
  /** ∂L/∂h_t as it arrives from above, [T,N,H]; null: zeros. Only read. */
  readonly dOutput: Tensor | null;
  /** What arrives at the final states from later chunks, [N,H]; null: zeros, which is where truncation cuts. */
  readonly dhT: Tensor | null;
  readonly dcT: Tensor | null;
  /** [T,N,C], null: not wanted (and always null for tokens). May be the tensor `dOutput` where C = H. */
  readonly dInput: Tensor | null;
  /** [N,H]; null: not wanted. `dh0` may be the tensor `dhT`, `dc0` may be `dcT`. */
  readonly dh0: Tensor | null;
  readonly dc0: Tensor | null;
}

export interface RecurrentStep {
  readonly layer: RecurrentLayer;
  readonly parameters: RecurrentParameters;
  /** real [N,C] or int [N]. */
  readonly input: Tensor;
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
  /** int […]. */
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

export interface SoftmaxCrossEntropy {
  /** […,V]. */
  readonly logits: Tensor;
  /** int […]; −1 means that there is no loss here. */
  readonly targets: Tensor;
  /** What the summed loss is divided by, > 0: the number of targets ≥ 0 of the whole optimizer step, so that a step cut into chunks still has the mean as its loss. */
  readonly count: number;
  /** double [1]: Σ loss / count. */
  readonly loss: Tensor;
  /** true: adds to `loss`. Default false. */
  readonly accumulate?: boolean;
  /** double [1]: how many targets have the highest logit of their row (ties: the lowest id wins); null: not wanted. Default null. `accumulate` applies. */
  readonly correct?: Tensor | null;
  /** −log softmax(logits)[target] per row, 0 where there is no target; null: not wanted. */
  readonly losses: Tensor | null;
  /** (softmax(logits) − onehot(target)) / count, 0 where there is no target; null: not wanted. May be the tensor `logits`. */
  readonly dLogits: Tensor | null;
}

export interface LogSoftmax {
  /** […,V]. */
  readonly logits: Tensor;
  /** […,V]; may be the tensor `logits`. */
  readonly output: Tensor;
}

/**
 * Inverted dropout as PyTorch's: an element is dropped with probability `rate`, kept ones are divided by 1 − rate. The mask is a pure
 * function of the key, so that the same call on gradients is the backward pass. Element (t, n, u) is dropped where word u mod 4 of
 * Philox4x32-10(counter = [step, sequences[n], firstStep + t, ⌊u / 4⌋], key = [seed, purpose · 65536 + layer]) / 2³² < rate, taken on its
 * upper 24 bits.
 */
export interface Dropout {
  /** [T,N,H]. */
  readonly input: Tensor;
  /** [T,N,H]; may be the tensor `input`. */
  readonly output: Tensor;
  /** 0 ≤ rate < 1. */
  readonly rate: number;
  readonly seed: number;
  /** See `randomPurposes`. */
  readonly purpose: number;
  readonly step: number;
  readonly layer: number;
  /** int [N]: which sequence (or lane) each row is; null: row n is sequence n. */
  readonly sequences: Tensor | null;
  /** t of the first row, for chunks of a window. Default 0. */
  readonly firstStep?: number;
}

/** One parameter as an optimizer sees it; all of one layout (`like`). */
export interface OptimizerEntry {
  readonly parameter: Parameter;
  /** Only read. */
  readonly gradient: Parameter;
  /** Added to the gradient as weightDecay · parameter, as PyTorch does it. */
  readonly weightDecay: number;
}

/** torch.optim.SGD with dampening 0: b ← momentum · b + g (b = g at the first step, since it starts as zero), p ← p − lr · (nesterov ? g + momentum · b : b). */
export interface SgdStep {
  /** `velocity` is b; null when momentum is 0. */
  readonly entries: readonly (OptimizerEntry & { readonly velocity: Parameter | null })[];
  readonly learningRate: number;
  readonly momentum: number;
  readonly nesterov: boolean;
}

/** torch.optim.Adam (Kingma and Ba 2015, algorithm 1), ε added after the bias correction: p ← p − lr / (1 − β₁ᵗ) · m / (√(v / (1 − β₂ᵗ)) + ε). */
export interface AdamStep {
  readonly entries: readonly (OptimizerEntry & { readonly first: Parameter; readonly second: Parameter })[];
  readonly learningRate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /** t, from 1. */
  readonly step: number;
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
  /** Device to host: a fresh array in PyTorch's layout, holding what the tensor held when this was called. */
  download(tensor: Tensor): Promise<TensorValues>;
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
  /** Forward pass on activations, backward pass on gradients. */
  dropout(call: Dropout): void;

  sgdStep(call: SgdStep): void;
  adamStep(call: AdamStep): void;
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

  /** t ← 0. */
  zero(...tensors: readonly Tensor[]): void;
  /** target ← source; same shape and type, both plain or both of one role. */
  copy(call: { readonly source: Tensor; readonly target: Tensor }): void;
  /** t ← factor · t. */
  scale(call: { readonly tensor: Tensor; readonly factor: number }): void;
  /** target ← target + factor · source; factor 1 by default. */
  add(call: { readonly source: Tensor; readonly target: Tensor; readonly factor?: number }): void;
}
