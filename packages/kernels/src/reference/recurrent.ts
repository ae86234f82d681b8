import type { RecurrentForward, RecurrentLayer, RecurrentStep } from '../backend.ts';
import { checkForward, checkStep, type Saved, type Weights } from '../checks/recurrent.ts';
import type { Engine, RealArray } from '../engine.ts';
import { gateRows } from '../roles.ts';
import { roundedOperand } from './bf16.ts';
import type { Cell, Frame } from './cell.ts';
import { multiply } from './product.ts';
import { cellOf } from './recurrent-layer.ts';

/** gates [rows, blocks·H] = the input's product for `rows` rows from row `first` on, 0 in columns that the input does not feed. */
function projectInput(
  engine: Engine,
  layer: RecurrentLayer,
  cell: Cell,
  weightIh: RealArray,
  input: RealArray | Int32Array,
  first: number,
  rows: number,
  gates: RealArray,
  gatesAt: number,
): void {
  const H = layer.hiddenSize;
  const C = layer.inputSize;
  const width = cell.blocks * H;
  const G = gateRows(layer);
  if (cell.input.length > 1) gates.fill(0, gatesAt, gatesAt + rows * width);
  const dense = layer.input === 'dense';
  const x = dense ? roundedOperand(engine, 'left', input as RealArray, first * C, rows * C) : null;
  const w = dense ? roundedOperand(engine, 'right', weightIh, 0, G * C) : weightIh;
  for (const segment of cell.input) {
    const to = gatesAt + segment.column * H;
    const count = segment.count * H;
    if (x) {
      multiply(rows, count, C, x, first * C, C, w, segment.row * H * C, C, gates, to, width, false);
    } else {
      for (let r = 0; r < rows; r++) {
        const from = input[first + r]! * G + segment.row * H;
        for (let k = 0; k < count; k++) gates[to + r * width + k] = weightIh[from + k]!;
      }
    }
  }
}

/** States as arrays: null in the call means zeros in, nothing out. */
interface States {
  h0: RealArray | null;
  c0: RealArray | null;
  hT: RealArray | null;
  cT: RealArray | null;
}

/** The time loop: with `saved` the gates and cells of all steps are kept, without it those of one step only; the bits are the same. */
function run(
  engine: Engine,
  layer: RecurrentLayer,
  weights: Weights,
  T: number,
  N: number,
  input: RealArray | Int32Array,
  output: RealArray,
  states: States,
  lengths: Int32Array | null,
  saved: Saved | null,
): void {
  const cell = cellOf(layer);
  const H = layer.hiddenSize;
  const G = gateRows(layer);
  const unit = N * H;
  const width = cell.blocks * H;
  const isLstm = cell.kind === 'lstm';
  const cellSlots = saved ? T + 1 : 2;
  const gates = saved ? saved.gates : engine.scratch('gates', N * width);
  const cells = saved ? saved.cells : engine.scratch('cells', isLstm ? 2 * unit : 0);
  const first = saved ? saved.first : engine.scratch('first state', unit);
  setOrZero(first, states.h0, unit);
  if (isLstm) setOrZero(cells, states.c0, unit);
  if (saved) projectInput(engine, layer, cell, weights.weightIh, input, 0, T * N, gates, 0);

  const frame: Frame = {
    N,
    H,
    gates,
    gatesAt: 0,
    biasIh: weights.biasIh,
    biasHh: weights.biasHh,
    previous: first,
    previousAt: 0,
    output,
    outputAt: 0,
    cells,
    cellsPreviousAt: 0,
    cellsAt: 0,
    dh: first,
    dc: first,
  };
  const weightHh = roundedOperand(engine, 'recurrent', weights.weightHh, 0, G * H);
  for (let t = 0; t < T; t++) {
    frame.gatesAt = saved ? t * N * width : 0;
    frame.outputAt = t * unit;
    frame.cellsPreviousAt = (t % cellSlots) * unit;
    frame.cellsAt = ((t + 1) % cellSlots) * unit;
    if (!saved) projectInput(engine, layer, cell, weights.weightIh, input, t * N, N, gates, 0);
    multiply(
      N,
      G,
      H,
      roundedOperand(engine, 'left', frame.previous, frame.previousAt, unit),
      frame.previousAt,
      H,
      weightHh,
      0,
      H,
      gates,
      frame.gatesAt,
      width,
      true,
    );
    cell.forward(frame);
    forEachEnded(lengths, t, (n) => {
      output.fill(0, t * unit + n * H, t * unit + (n + 1) * H);
      const before = frame.cellsPreviousAt + n * H;
      if (isLstm) cells.copyWithin(frame.cellsAt + n * H, before, before + H);
    });
    frame.previous = output;
    frame.previousAt = t * unit;
  }
  for (let n = 0; n < N && states.hT; n++) {
    const length = lengths ? lengths[n]! : T;
    const [from, at] = length === 0 ? [first, n * H] : [output, (length - 1) * unit + n * H];
    states.hT.set(from.subarray(at, at + H), n * H);
  }
  if (states.cT && isLstm) copyPart(states.cT, cells, (T % cellSlots) * unit, unit);
}

/** Calls body(n) for every sequence that has no step t. */
export function forEachEnded(lengths: Int32Array | null, t: number, body: (n: number) => void): void {
  if (lengths === null) return;
  for (let n = 0; n < lengths.length; n++) if (t >= lengths[n]!) body(n);
}

/** target[0 … size) ← source, or zeros. */
export function setOrZero(target: RealArray, source: RealArray | null, size: number): void {
  if (source) target.set(source.subarray(0, size));
  else target.fill(0, 0, size);
}

/** target[0 … size) ← source[from … from + size). */
export function copyPart(target: RealArray, source: RealArray, from: number, size: number): void {
  for (let i = 0; i < size; i++) target[i] = source[from + i]!;
}

export function recurrentForward(engine: Engine, call: RecurrentForward): void {
  const { layer, T, N, weights, input, output, lengths, saved, ...states } = checkForward(engine, call);
  run(engine, layer, weights, T, N, input, output, states, lengths, saved);
  if (saved) saved.pass = { T, N, input: call.input, output, lengths: lengths?.slice() ?? null };
}

export function recurrentStep(engine: Engine, call: RecurrentStep): void {
  const { layer, T, N, weights, input, lengths, ...states } = checkStep(engine, call);
  const output = engine.scratch('step output', N * layer.hiddenSize);
  run(engine, layer, weights, T, N, input, output, states, lengths, null);
}
