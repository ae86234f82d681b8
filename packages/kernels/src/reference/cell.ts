import type { CellKind } from '../backend.ts';
import type { RealArray } from '../engine.ts';

/**
 * One time step as the pointwise part of a cell sees it: [N,H] matrices given as an array and the index of their first element. The drivers
 * move it from step to step, so that the time loop allocates nothing.
 */
export interface Frame {
  N: number;
  H: number;
  /** [N, blocks·H]: forward finds U x + W h (see `Cell.blocks`) and leaves the gates; backward finds the gates and leaves their gradients. */
  gates: RealArray;
  gatesAt: number;
  /** [G·H]. */
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
}

/** Blocks of H columns: `count` blocks of the input's product, from block `row` of weightIh, stand at block `column` of the gates. */
export interface InputSegment {
  readonly column: number;
  readonly row: number;
  readonly count: number;
}

/** The pointwise half of a recurrent cell; the products around it are the same for all cells. */
export interface Cell {
  readonly kind: CellKind;
  /** Blocks of H columns that a step keeps. The first G of them take the product W h, in weightHh's order. */
  readonly blocks: number;
  /** Where the product U x goes. */
  readonly input: readonly InputSegment[];
  forward(frame: Frame): void;
  backward(frame: Frame): void;
}
