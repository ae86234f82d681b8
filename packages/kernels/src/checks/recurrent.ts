import type {
  CellKind,
  RecurrentBackward,
  RecurrentForward,
  RecurrentGradients,
  RecurrentLayer,
  RecurrentParameters,
  RecurrentStep,
  SavedActivations,
  Tensor,
} from '../backend.ts';
import { type Engine, expectNumber, expectSeparate, expectShape, type RealArray } from '../engine.ts';
import { gateRows } from '../roles.ts';
import { expectTokens } from './embedding.ts';

/** What the last forward pass into a `Saved` was: its size and the tensors that backward will read. */
export interface Pass {
  readonly T: number;
  readonly N: number;
  readonly input: Tensor;
  readonly output: RealArray;
  /** A copy, since callers may fill their tensor for the next batch before backward has run. */
  readonly lengths: Int32Array | null;
}

/** Saved activations of an engine that runs on this machine's processor; the layout of gates and cells is its own. */
export interface Saved extends SavedActivations {
  readonly engine: Engine;
  gates: RealArray;
  /** LSTM only. */
  cells: RealArray;
  /** h_0, [N,H]. */
  first: RealArray;
  /** null: backward has consumed it, or there was no forward. */
  pass: Pass | null;
  released: boolean;
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

/** Arrays of a layer's parameters, or of their gradients, of which some may be null. */
export interface Weights<Array = RealArray> {
  readonly weightIh: Array;
  readonly weightHh: Array;
  readonly biasIh: Array;
  readonly biasHh: Array;
}

const uses = {
  weightIh: 'weight_ih',
  weightHh: 'weight_hh',
  biasIh: 'recurrent_bias',
  biasHh: 'recurrent_bias',
} as const;

function checkWeights<P extends RecurrentParameters | RecurrentGradients>(
  engine: Engine,
  layer: RecurrentLayer,
  parameters: P,
  prefix: string,
) {
  const { inputSize, hiddenSize } = layer;
  const rows = gateRows(layer);
  const shapes = {
    weightIh: [rows, inputSize],
    weightHh: [rows, hiddenSize],
    biasIh: [rows],
    biasHh: [rows],
  };
  function check(name: keyof typeof uses): RealArray | null {
    const parameter = parameters[name];
    if (parameter === null) return null;
    const label = prefix === '' ? name : `${prefix}${name[0]!.toUpperCase()}${name.slice(1)}`;
    const { role } = parameter;
    // A parameter of this very layer has its shapes: generation asks for every token.
    if (role.use === uses[name] && role.layer === layer) return engine.reals(parameter, label);
    const expected: CellKind = layer.cell;
    if (role.use !== uses[name] || role.layer.cell !== expected)
      throw new TypeError(`Expected a parameter of use ${uses[name]} of an ${expected} layer for ${label}.`);
    if (name === 'weightIh' && role.layer.input !== layer.input)
      throw new TypeError(`Expected ${label} of a layer that reads ${layer.input}.`);
    return engine.reals(parameter, label, shapes[name]);
  }
  return {
    weightIh: check('weightIh'),
    weightHh: check('weightHh'),
    biasIh: check('biasIh'),
    biasHh: check('biasHh'),
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

function inputOf(engine: Engine, layer: RecurrentLayer, input: Tensor, lead: readonly number[]) {
  if (layer.input === 'dense') return engine.reals(input, 'recurrent input', [...lead, layer.inputSize]);
  const tokens = engine.ints(input, 'recurrent input', lead);
  expectTokens(tokens, 'recurrent input', layer.inputSize);
  return tokens;
}

function lengthsOf(engine: Engine, lengths: Tensor | null, T: number, N: number): Int32Array | null {
  if (lengths === null) return null;
  const values = engine.ints(lengths, 'recurrent lengths', [N]);
  for (const [n, length] of values.entries())
    expectNumber(length, `the length of sequence ${n}`, length >= 0 && length <= T, `from 0 to ${T}`);
  return values;
}

/** States as arrays: null means zeros in, nothing out. */
export interface CheckedForward {
  readonly layer: RecurrentLayer;
  readonly T: number;
  readonly N: number;
  readonly weights: Weights;
  readonly input: RealArray | Int32Array;
  readonly h0: RealArray | null;
  readonly c0: RealArray | null;
  readonly hT: RealArray | null;
  readonly cT: RealArray | null;
  readonly lengths: Int32Array | null;
}

export function checkForward(
  engine: Engine,
  call: RecurrentForward,
): CheckedForward & { readonly output: RealArray; readonly saved: Saved | null } {
  const { layer } = call;
  const [T, N] = sizes(layer, call.input, true);
  const H = layer.hiddenSize;
  const input = inputOf(engine, layer, call.input, [T, N]);
  const weights = checkWeights(engine, layer, call.parameters, '') as Weights;
  const output = engine.reals(call.output, 'recurrent output', [T, N, H]);
  const state = (tensor: Tensor | null, label: string) => tensor && engine.reals(tensor, label, [N, H]);
  const states = {
    h0: state(call.h0, 'h0'),
    c0: state(call.c0, 'c0'),
    hT: state(call.hT, 'hT'),
    cT: state(call.cT, 'cT'),
  };
  const lengths = lengthsOf(engine, call.lengths ?? null, T, N);
  const saved = call.saved && ownSaved(engine, layer, call.saved);
  if (saved && (saved.steps < T || saved.sequences < N))
    throw new RangeError(
      `Expected at most ${saved.steps} × ${saved.sequences} for saved activations but received ${T} × ${N}.`,
    );
  expectSeparate(call.output, 'recurrent output', [call.input, call.h0, call.c0, call.hT, call.cT]);
  expectSeparate(call.hT, 'hT', [call.input, call.c0, call.cT]);
  return { layer, T, N, weights, input, output, ...states, lengths, saved };
}

/** A step is a forward pass of T = 1 whose states flow on; it has no output of its own. */
export function checkStep(engine: Engine, call: RecurrentStep): CheckedForward {
  const { layer } = call;
  const [, N] = sizes(layer, call.input, false);
  const H = layer.hiddenSize;
  const input = inputOf(engine, layer, call.input, [N]);
  const weights = checkWeights(engine, layer, call.parameters, '') as Weights;
  const h = engine.reals(call.h, 'h', [N, H]);
  const c = call.c && engine.reals(call.c, 'c', [N, H]);
  if (layer.cell === 'lstm' && c === null)
    throw new TypeError('Expected a cell state for c of an LSTM step.');
  expectSeparate(call.h, 'h', [call.input, call.c]);
  return { layer, T: 1, N, weights, input, h0: h, c0: c, hT: h, cT: c, lengths: null };
}

export interface CheckedBackward {
  readonly layer: RecurrentLayer;
  readonly saved: Saved;
  readonly pass: Pass;
  /** The pass's input, still alive and in shape. */
  readonly input: RealArray | Int32Array;
  readonly weights: Weights;
  readonly gradients: Weights<RealArray | null>;
  readonly dOutput: RealArray | null;
  readonly dhT: RealArray | null;
  readonly dcT: RealArray | null;
  readonly dInput: RealArray | null;
  readonly dh0: RealArray | null;
  readonly dc0: RealArray | null;
}

export function checkBackward(engine: Engine, call: RecurrentBackward): CheckedBackward {
  const { layer } = call;
  const saved = ownSaved(engine, layer, call.saved);
  const { pass } = saved;
  if (pass === null)
    throw new TypeError('Expected activations of a forward pass that no backward pass has consumed.');
  const { T, N } = pass;
  const H = layer.hiddenSize;
  const input = inputOf(engine, layer, pass.input, [T, N]);
  expectShape({ type: 'real', shape: [pass.output.length] }, "the forward pass's output", [T * N * H]);
  const weights = checkWeights(engine, layer, call.parameters, '') as Weights;
  const gradients = checkWeights(engine, layer, call.gradients, 'd');
  const state = (tensor: Tensor | null, label: string) => tensor && engine.reals(tensor, label, [N, H]);
  const dOutput = call.dOutput && engine.reals(call.dOutput, 'recurrent dOutput', [T, N, H]);
  const states = {
    dhT: state(call.dhT, 'dhT'),
    dcT: state(call.dcT, 'dcT'),
    dh0: state(call.dh0, 'dh0'),
    dc0: state(call.dc0, 'dc0'),
  };
  if (call.dInput && layer.input === 'tokens')
    throw new TypeError('Expected no dInput: tokens have no gradient.');
  const dInput = call.dInput && engine.reals(call.dInput, 'recurrent dInput', [T, N, layer.inputSize]);
  if (call.dInput !== call.dOutput) expectSeparate(call.dInput, 'recurrent dInput', [call.dOutput]);
  expectSeparate(call.dInput, 'recurrent dInput', [pass.input, call.dhT, call.dcT, call.dh0, call.dc0]);
  return { layer, saved, pass, input, weights, gradients, dOutput, ...states, dInput };
}
