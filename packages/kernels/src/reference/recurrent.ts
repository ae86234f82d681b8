import type {
  RecurrentForward,
  RecurrentLayer,
  RecurrentParameters,
  RecurrentStep,
  SavedActivations,
  Tensor,
} from '../backend.ts';
import type { Cell, Frame } from './cell.ts';
import { elmanRelu, elmanTanh } from './elman.ts';
import { expectTokens } from './embedding.ts';
import { type Engine, expectNumber, expectSeparate, type RealArray } from './engine.ts';
import { gru } from './gru.ts';
import { gateRows } from './layout.ts';
import { lstm } from './lstm.ts';
import { multiply } from './product.ts';

export function cellOf(layer: RecurrentLayer): Cell {
  if (layer.cell === 'lstm') return lstm;
  if (layer.cell === 'gru') return gru;
  return layer.activation === 'relu' ? elmanRelu : elmanTanh;
}

/** What the last forward pass into a `Saved` was: its size and the tensors that backward will read. */
export interface Pass {
  readonly T: number;
  readonly N: number;
  readonly input: Tensor;
  readonly output: RealArray;
}

export interface Saved extends SavedActivations {
  readonly engine: Engine;
  /** [T, N, blocks·H]. */
  gates: RealArray;
  /** [T+1, N, H], c_0 first; LSTM only. */
  cells: RealArray;
  /** h_0, [N,H]. */
  first: RealArray;
  /** null: backward has consumed it, or there was no forward. */
  pass: Pass | null;
  released: boolean;
}

export function createSaved(engine: Engine, layer: RecurrentLayer, steps: number, sequences: number): Saved {
  const unit = sequences * layer.hiddenSize;
  return {
    engine,
    layer,
    steps,
    sequences,
    gates: engine.allocate(steps * unit * cellOf(layer).blocks),
    cells: engine.allocate(layer.cell === 'lstm' ? (steps + 1) * unit : 0),
    first: engine.allocate(unit),
    pass: null,
    released: false,
  };
}

/** `saved` as ours, if it is alive and was made for layers like `layer`. */
export function ownSaved(engine: Engine, layer: RecurrentLayer, saved: SavedActivations): Saved {
  const own = saved as Saved;
  if (own.engine !== engine || own.released)
    throw new TypeError('Expected living activations of this backend.');
  const { cell, hiddenSize } = own.layer;
  if (cell !== layer.cell || hiddenSize !== layer.hiddenSize)
    throw new TypeError(
      `Expected activations of ${layer.cell} ${layer.hiddenSize} but received ${cell} ${hiddenSize}.`,
    );
  return own;
}

export interface Weights {
  readonly weightIh: RealArray;
  readonly weightHh: RealArray;
  readonly biasIh: RealArray;
  readonly biasHh: RealArray;
}

export function weightsOf(engine: Engine, layer: RecurrentLayer, parameters: RecurrentParameters): Weights {
  const { inputSize, hiddenSize } = layer;
  const rows = gateRows(layer);
  const { role } = parameters.weightIh;
  if (role.use !== 'weight_ih' || role.layer.input !== layer.input)
    throw new TypeError(`Expected weightIh of a layer that reads ${layer.input}.`);
  return {
    weightIh: engine.reals(parameters.weightIh, 'weightIh', [rows, inputSize]),
    weightHh: engine.reals(parameters.weightHh, 'weightHh', [rows, hiddenSize]),
    biasIh: engine.reals(parameters.biasIh, 'biasIh', [rows]),
    biasHh: engine.reals(parameters.biasHh, 'biasHh', [rows]),
  };
}

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
