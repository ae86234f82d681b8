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
