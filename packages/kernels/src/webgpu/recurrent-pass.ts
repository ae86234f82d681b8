import type { RecurrentLayer } from '../backend.ts';
import { checkLayer } from '../checks/layer.ts';
import type { Saved } from '../checks/recurrent.ts';
import type { CheckedKey, StatisticsArrays } from '../checks/recurrent-options.ts';
import type { Weights } from '../checks/weights.ts';
import { expectNumber } from '../engine.ts';
import { purposeWord, randomPurposes } from '../philox.ts';
import type { Cell } from '../reference/cell.ts';
import { inverseSize } from '../reference/normalization.ts';
import { cellOf, isNormalized, normalizedSizes } from '../reference/recurrent-layer.ts';
import { gateRows } from '../roles.ts';
import type { FrameNumbers } from './cell-frame.ts';
import { squashCode, threshold } from './elementary.ts';
import {
  batchBackward,
  batchForward,
  batchGrid,
  layerBackward,
  layerForward,
  layerGrid,
} from './normalization.ts';
import type { Recurrence } from './options.ts';
import { type Place, part } from './place.ts';
import type { Products } from './product.ts';
import type { Recorder } from './recorder.ts';
import type { Scratch } from './scratch.ts';

/** What recurrent kernels work with. */
export interface Workshop {
  readonly recorder: Recorder;
  readonly scratch: Scratch;
  readonly products: Products;
  readonly recurrence: Recurrence;
  readonly precision: 'float32' | 'f16';
}

/** Where a pass keeps its activations: gates [T,N,blocks·H], cells [T+1,N,H], first [N,H], and what normalisation keeps. */
export type Room = Pick<Saved<Place>, 'gates' | 'cells' | 'first' | 'normalized' | 'inverses'>;

/** Elements of each part of a room. */
export function roomSizes(layer: RecurrentLayer, steps: number, N: number): Record<keyof Room, number> {
  const unit = N * layer.hiddenSize;
  const [normalized, inverses] = normalizedSizes(layer, steps, N);
  return {
    gates: steps * unit * cellOf(layer).blocks,
    cells: layer.cell === 'lstm' ? (steps + 1) * unit : 0,
    first: unit,
    normalized,
    inverses,
  };
}

export function createSaved(
  engine: unknown,
  allocate: (size: number) => Place,
  layer: RecurrentLayer,
  steps: number,
  sequences: number,
): Saved<Place> {
  for (const [count, label] of [
    [steps, 'steps'],
    [sequences, 'sequences'],
  ] as const)
    expectNumber(count, `${label} to save`, Number.isSafeInteger(count) && count >= 0, 'a whole number');
  checkLayer(layer);
  const sizes = roomSizes(layer, steps, sequences);
  return {
    engine,
    layer,
    steps,
    sequences,
    gates: allocate(sizes.gates),
    cells: allocate(sizes.cells),
    first: allocate(sizes.first),
    normalized: allocate(sizes.normalized),
    inverses: allocate(sizes.inverses),
    pass: null,
    released: false,
  };
}

/** A pass through some steps of a layer, forward or backward. */
export interface PassShape {
  readonly layer: RecurrentLayer;
  /** Steps of this pass, and which of the call's steps the first of them is. */
  readonly T: number;
  readonly first: number;
  readonly N: number;
  readonly weights: Weights<Place>;
  readonly lengths: Int32Array | null;
  readonly training: CheckedKey | null;
  readonly firstStep: number;
  readonly statistics: StatisticsArrays<Place> | null;
  readonly positions: Int32Array | null;
  readonly room: Room;
  /** Batch normalisation's schedule of the whole call, see `schedule`, and the call's steps. */
  readonly plan: Place | null;
  readonly planSteps: number;
}

/** One product of a pass, or its cells, normalised. */
export interface Normalized {
  readonly columns: number;
  /** [T,N,columns]. */
  readonly values: Place;
  readonly gain: Place;
  /** Ranges of columns that are normalised together by layer; by batch it does not matter. */
  readonly ranges: readonly { readonly from: number; readonly count: number }[];
  readonly inverses: Place;
  /** Elements of `inverses` a step. */
  readonly slot: number;
  /** Its first column in the running statistics. */
  readonly column: number;
}

export interface Pass extends PassShape {
  readonly cell: Cell;
  readonly H: number;
  readonly G: number;
  /** Columns of a row of gates. */
  readonly width: number;
  /** null: not normalised. */
  readonly input: Normalized | null;
  readonly hidden: Normalized | null;
  readonly cells: Normalized | null;
}

export function createPass(shape: PassShape): Pass {
  const { layer, T, N, weights, room } = shape;
  const cell = cellOf(layer);
  const H = layer.hiddenSize;
  const G = gateRows(layer);
  const size = { cell, H, G, width: cell.blocks * H };
  if (!isNormalized(layer)) return { ...shape, ...size, input: null, hidden: null, cells: null };
  let [valuesAt, inversesAt, column] = [0, 0, 0];
  function next(columns: number, gain: Place, ranges: Normalized['ranges']): Normalized {
    const slot = inverseSize(N, columns, ranges.length);
    const normalized = {
      columns,
      gain,
      ranges,
      slot,
      column,
      values: part(room.normalized, valuesAt, T * N * columns),
      inverses: part(room.inverses, inversesAt, T * slot),
    };
    valuesAt += T * N * columns;
    inversesAt += T * slot;
    column += columns;
    return normalized;
  }
  const ranges = cell.hidden.map(({ row, count }) => ({ from: row * H, count: count * H }));
  return {
    ...shape,
    ...size,
    input: next(G, weights.gainIh, [{ from: 0, count: G }]),
    hidden: ranges.length > 0 ? next(G, weights.gainHh, ranges) : null,
    cells: cell.kind === 'lstm' ? next(H, weights.gainCell, [{ from: 0, count: H }]) : null,
  };
}

/** What the pointwise kernels are told at step t of the pass. */
export function frameNumbers(
  { layer, N, H, G, width, first, firstStep, training }: Pass,
  t: number,
): FrameNumbers {
  const { zoneout, recurrentDropout = 0 } = layer;
  const squash = layer.cell === 'elman' ? layer.activation : layer.candidateActivation;
  const word = (purpose: number) => (training ? purposeWord(purpose, training.layer) : 0);
  return {
    N,
    units: H,
    gate_rows: G,
    width,
    t: first + t,
    place: firstStep + first + t,
    squash: squashCode[squash ?? 'tanh'],
    training: Number(training !== null),
    seed: training?.seed ?? 0,
    step: training?.step ?? 0,
    zone_hidden: zoneout?.hidden ?? 0,
    zone_hidden_purpose: word(randomPurposes.zoneoutHidden),
    zone_hidden_below: threshold(zoneout?.hidden ?? 0),
    zone_cell: zoneout?.cell ?? 0,
    zone_cell_purpose: word(randomPurposes.zoneoutCell),
    zone_cell_below: threshold(zoneout?.cell ?? 0),
    dropped_purpose: word(randomPurposes.recurrentDropout),
    dropped_below: threshold(recurrentDropout),
    kept: 1 / (1 - recurrentDropout),
  };
}

/** Rows t · N … of something that has `columns` a row. */
export function stepOf(place: Place, t: number, N: number, columns: number): Place {
  return part(place, t * N * columns, N * columns);
}

const tail = (place: Place, from: number) => part(place, from, place.length - from);

/** Normalises steps first … first + steps − 1 of a product, its values in place. `range`: which of its ranges. */
export function normalize(
  { recorder }: Workshop,
  pass: Pass,
  norm: Normalized,
  t: number,
  steps: number,
  range: number,
): void {
  const { N, layer, statistics, plan, lengths, positions } = pass;
  const { from, count } = norm.ranges[range]!;
  const x = tail(norm.values, t * N * norm.columns + from);
  if (layer.norm === 'layer') {
    const inverses = tail(norm.inverses, t * norm.slot + range * N);
    const numbers = { rows: steps * N, columns: count, x_row: norm.columns, slot: norm.slot, sequences: N };
    recorder.dispatch(layerForward, { reals: { x, inverses }, ints: {}, numbers }, layerGrid(steps * N));
    return;
  }
  const column = norm.column + from;
  const reals = {
    x,
    inverses: tail(norm.inverses, t * norm.slot + from),
    mean: tail(statistics!.mean, column),
    variance: tail(statistics!.variance, column),
    plan,
  };
  const numbers = {
    steps,
    first: pass.first + t,
    N,
    columns: count,
    x_row: norm.columns,
    slot: norm.slot,
    training: Number(pass.training !== null),
    moments_row: statistics!.mean.length / statistics!.batches.length,
    T: pass.planSteps,
  };
  recorder.dispatch(batchForward, { reals, ints: { lengths, positions }, numbers }, batchGrid(count));
}

/** Where gradients of a normalised product's values come from: rows of columns that may have a gap. */
export interface Gradient {
  readonly place: Place;
  readonly row: number;
  readonly shiftFrom: number;
  readonly shift: number;
}

/** From the gradient of gain · x̂, that of x into `dx`, laid out as the values. */
export function normalizeBackward(
  { recorder }: Workshop,
  pass: Pass,
  norm: Normalized,
  dx: Place,
  { place: dy, row, shiftFrom, shift }: Gradient,
  t: number,
  steps: number,
  range: number,
): void {
  const { N, layer, lengths } = pass;
  const { from, count } = norm.ranges[range]!;
  const at = t * N * norm.columns + from;
  const shared = {
    columns: count,
    x_row: norm.columns,
    slot: norm.slot,
    dy_row: row,
    shift_from: shiftFrom,
    shift,
  };
  const isLayer = layer.norm === 'layer';
  const inverses = tail(norm.inverses, t * norm.slot + (isLayer ? range * N : from));
  const reals = { dy, gain: tail(norm.gain, from), x: tail(norm.values, at), inverses, dx: tail(dx, at) };
  if (isLayer) {
    const numbers = { ...shared, rows: steps * N, sequences: N };
    recorder.dispatch(layerBackward, { reals, ints: {}, numbers }, layerGrid(steps * N));
    return;
  }
  const training = Number(pass.training !== null);
  const numbers = { ...shared, steps, first: pass.first + t, N, training };
  recorder.dispatch(batchBackward, { reals, ints: { lengths }, numbers }, batchGrid(count));
}
