import type { RecurrentForward, RecurrentLayer, RecurrentStep, Tensor } from '../backend.ts';
import type { Cell, Frame } from './cell.ts';
import { expectTokens } from './embedding.ts';
import { type Engine, expectNumber, expectSeparate, type RealArray } from './engine.ts';
import { gateRows } from './layout.ts';
import { multiply } from './product.ts';
import { cellOf, ownSaved, type Saved, type Weights, weightsOf } from './recurrent-layer.ts';

/** T and N from the shape of an input, with or without its time dimension. */
function sizes(layer: RecurrentLayer, input: Tensor, timed: boolean): [number, number] {
  const dimensions = (layer.input === 'tokens' ? 1 : 2) + (timed ? 1 : 0);
  if (input.shape.length !== dimensions)
    throw new RangeError(
      `Expected ${dimensions} dimensions for the input of a layer that reads ${layer.input} but received [${input.shape.join(', ')}].`,
    );
  const [T, N] = timed ? [input.shape[0]!, input.shape[1]!] : [1, input.shape[0]!];
  expectNumber(T * N, 'the size of a batch', T > 0 && N > 0, 'at least one step and one sequence');
  return [T, N];
}

/** gates [rows, blocks·H] = the input's product for `rows` rows from row `first` on, 0 in columns that the input does not feed. */
function projectInput(
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
  for (const segment of cell.input) {
    const to = gatesAt + segment.column * H;
    const count = segment.count * H;
    if (layer.input === 'dense') {
      const x = input as RealArray;
      multiply(rows, count, C, x, first * C, C, weightIh, segment.row * H * C, C, gates, to, width, false);
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
  if (saved) projectInput(layer, cell, weights.weightIh, input, 0, T * N, gates, 0);

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
  for (let t = 0; t < T; t++) {
    frame.gatesAt = saved ? t * N * width : 0;
    frame.outputAt = t * unit;
    frame.cellsPreviousAt = (t % cellSlots) * unit;
    frame.cellsAt = ((t + 1) % cellSlots) * unit;
    if (!saved) projectInput(layer, cell, weights.weightIh, input, t * N, N, gates, 0);
    multiply(
      N,
      G,
      H,
      frame.previous,
      frame.previousAt,
      H,
      weights.weightHh,
      0,
      H,
      gates,
      frame.gatesAt,
      width,
      true,
    );
    cell.forward(frame);
    frame.previous = output;
    frame.previousAt = t * unit;
  }
  if (states.hT) copyPart(states.hT, output, (T - 1) * unit, unit);
  if (states.cT && isLstm) copyPart(states.cT, cells, (T % cellSlots) * unit, unit);
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

function inputOf(
  engine: Engine,
  layer: RecurrentLayer,
  input: Tensor,
  lead: readonly number[],
): RealArray | Int32Array {
  if (layer.input === 'dense') return engine.reals(input, 'recurrent input', [...lead, layer.inputSize]);
  const tokens = engine.ints(input, 'recurrent input', lead);
  expectTokens(tokens, 'recurrent input', layer.inputSize);
  return tokens;
}

export function recurrentForward(engine: Engine, call: RecurrentForward): void {
  const { layer } = call;
  const [T, N] = sizes(layer, call.input, true);
  const H = layer.hiddenSize;
  const input = inputOf(engine, layer, call.input, [T, N]);
  const weights = weightsOf(engine, layer, call.parameters);
  const output = engine.reals(call.output, 'recurrent output', [T, N, H]);
  const state = (tensor: Tensor | null, label: string) => tensor && engine.reals(tensor, label, [N, H]);
  const states = {
    h0: state(call.h0, 'h0'),
    c0: state(call.c0, 'c0'),
    hT: state(call.hT, 'hT'),
    cT: state(call.cT, 'cT'),
  };
  const saved = call.saved && ownSaved(engine, layer, call.saved);
  if (saved && (saved.steps < T || saved.sequences < N))
    throw new RangeError(
      `Expected at most ${saved.steps} × ${saved.sequences} for saved activations but received ${T} × ${N}.`,
    );
  expectSeparate(call.output, 'recurrent output', [call.input, call.h0, call.c0, call.hT, call.cT]);
  expectSeparate(call.hT, 'hT', [call.input, call.c0, call.cT]);
  run(engine, layer, weights, T, N, input, output, states, saved);
  if (saved) saved.pass = { T, N, input: call.input, output };
}

export function recurrentStep(engine: Engine, call: RecurrentStep): void {
  const { layer } = call;
  const [, N] = sizes(layer, call.input, false);
  const H = layer.hiddenSize;
  const input = inputOf(engine, layer, call.input, [N]);
  const weights = weightsOf(engine, layer, call.parameters);
  const h = engine.reals(call.h, 'h', [N, H]);
  const c = call.c && engine.reals(call.c, 'c', [N, H]);
  if (layer.cell === 'lstm' && c === null)
    throw new TypeError('Expected a cell state for c of an LSTM step.');
  expectSeparate(call.h, 'h', [call.input, call.c]);
  const output = engine.scratch('step output', N * H);
  run(engine, layer, weights, 1, N, input, output, { h0: h, c0: c, hT: h, cT: c }, null);
}
