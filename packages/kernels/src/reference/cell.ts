import type { CellKind } from '../backend.ts';
import type { RealArray } from '../engine.ts';
import type { Squash } from './activation.ts';
import type { Normalization } from './normalization.ts';

/** What an LSTM computes with beyond the plain cell. The sums are gradients, in double. */
export interface LstmOptions {
  readonly candidate: Squash;
  /** [3,H] of i, f, o; zeros without peepholes. */
  readonly peephole: RealArray;
  readonly dPeephole: Float64Array;
  /** Normalises c inside h; null: it does not. */
  readonly norm: Normalization | null;
  /** [H]. */
  readonly gain: RealArray;
  readonly bias: RealArray;
  readonly dGain: Float64Array;
  readonly dBias: Float64Array;
  /** Scratch, [N,H]. */
  readonly fresh: RealArray;
  readonly inner: RealArray;
}

/**
 * One time step as the pointwise part of a cell sees it: [N,H] matrices given as an array and the index of their first element. The drivers
 * move it from step to step, so that the time loop allocates nothing.
 */
export interface Frame {
  N: number;
  H: number;
  /** Where this step's activations are kept: t, or 0 where no backward pass will follow. */
  slot: number;
  /** [N, blocks·H]: forward finds U x + W h (see `Cell.blocks`) and leaves the gates; backward finds the gates and leaves their gradients. */
  gates: RealArray;
  gatesAt: number;
  /** [G·H]; `biasHh` is zeros where the layer has none. */
  biasIh: RealArray;
  biasHh: RealArray;
  /** h_{t−1}. */
  previous: RealArray;
  previousAt: number;
  /** h_t. */
  output: RealArray;
  outputAt: number;
  /** LSTM: c_{t−1} and c_t. */
  cells: RealArray;
  cellsPreviousAt: number;
  cellsAt: number;
  /** Backward, in: ∂L/∂h_t. Out: that part of ∂L/∂h_{t−1} which does not go through W. */
  dh: RealArray;
  /** Backward, LSTM: in ∂L/∂c_t without what comes through h_t, out ∂L/∂c_{t−1}. */
  dc: RealArray;
  /** [N,H], what recurrent dropout multiplies the candidate by; null: none. */
  mask: RealArray | null;
  /** What an LSTM with options needs beyond this; null: the plain cell. */
  lstm: LstmOptions | null;
}

/** Blocks of H columns: `count` blocks of the input's product, from block `row` of weightIh, stand at block `column` of the gates. */
export interface InputSegment {
  readonly column: number;
  readonly row: number;
  readonly count: number;
}

/** The same for weightHh. `source`: the block of the gates that is multiplied; null: h_{t−1}. */
export interface HiddenSegment extends InputSegment {
  readonly source: number | null;
}

/** The pointwise half of a recurrent cell; the products around it are the same for all cells. */
export interface Cell {
  readonly kind: CellKind;
  /** Blocks of H columns that a step keeps. */
  readonly blocks: number;
  /** Where the product U x goes. */
  readonly input: readonly InputSegment[];
  /** Where the product W h goes; a second segment waits for `reset`. */
  readonly hidden: readonly HiddenSegment[];
  forward(frame: Frame): void;
  backward(frame: Frame): void;
  /** Makes the source of the second hidden segment, before `forward`. */
  reset?(frame: Frame): void;
  /** After `backward`, given the gradient of that source, [N,H]: the rest of the gates' gradients and of `dh`. */
  resetBackward?(frame: Frame, dSource: RealArray): void;
}
