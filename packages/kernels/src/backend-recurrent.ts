import type { RecurrentLayer } from './backend-layer.ts';
import type { Parameter, Tensor } from './backend-tensors.ts';

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
