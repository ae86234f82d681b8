import type {
  RecurrentBackward,
  RecurrentForward,
  RecurrentLayer,
  RecurrentStep,
  SavedActivations,
  Tensor,
} from '../backend.ts';
import {
  type Door,
  expectNumber,
  expectSeparate,
  expectShape,
  type RealArray,
  type Region,
} from '../engine.ts';
import { gateRows } from '../roles.ts';
import { expectTokens } from './embedding.ts';
import { checkLayer } from './layer.ts';
import {
  type CheckedKey,
  checkFirstStep,
  checkKey,
  checkStatistics,
  type StatisticsArrays,
} from './recurrent-options.ts';
import { checkGradients, checkParameters, type Weights } from './weights.ts';

/** What the last forward pass into a `Saved` was: its size and the tensors that backward will read. */
export interface Pass<R = RealArray> {
  readonly T: number;
  readonly N: number;
  readonly input: Tensor;
  readonly output: R;
  /** A copy, since callers may fill their tensor for the next batch before backward has run. */
  readonly lengths: Int32Array | null;
  /** How its masks were drawn, and from which step on. */
  readonly training: CheckedKey | null;
  readonly firstStep: number;
  readonly statistics: StatisticsArrays<R> | null;
}

/** What the checks know of saved activations; what they hold is the engine's own. */
export interface SavedPass<R = RealArray> extends SavedActivations {
  readonly engine: unknown;
  /** null: backward has consumed it, or there was no forward. */
  pass: Pass<R> | null;
  released: boolean;
}

/** Saved activations of an engine that keeps them in memory of its own; the layout of gates and cells is its own too. */
export interface Saved<R = RealArray> extends SavedPass<R> {
  gates: R;
  /** LSTM only. */
  cells: R;
  /** h_0, [N,H]. */
  first: R;
  /** What normalised layers keep beyond the gates: their normalised products, and what divided them. Else empty. */
  normalized: R;
  inverses: R;
}

/** `saved` as ours, if it is alive and was made for layers like `layer`. */
export function ownSaved<S extends SavedPass<unknown>>(
  engine: unknown,
  layer: RecurrentLayer,
  saved: SavedActivations,
): S {
  const own = saved as S;
  if (own.engine !== engine || own.released)
    throw new TypeError('Expected living activations of this backend.');
  const { cell, hiddenSize, norm = 'none' } = own.layer;
  if (cell !== layer.cell || hiddenSize !== layer.hiddenSize)
    throw new TypeError(
      `Expected activations of ${layer.cell} ${layer.hiddenSize} but received ${cell} ${hiddenSize}.`,
    );
  if (norm !== (layer.norm ?? 'none'))
    throw new TypeError(`Expected activations of norm ${layer.norm ?? 'none'} but received ${norm}.`);
  return own;
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

function inputOf<R extends Region>(
  engine: Door<R, unknown>,
  layer: RecurrentLayer,
  input: Tensor,
  lead: readonly number[],
) {
  if (layer.input === 'dense') return engine.reals(input, 'recurrent input', [...lead, layer.inputSize]);
  const tokens = engine.ints(input, 'recurrent input', lead);
  expectTokens(tokens, 'recurrent input', layer.inputSize);
  return tokens;
}

function lengthsOf(
  engine: Pick<Door, 'ints'>,
  lengths: Tensor | null,
  T: number,
  N: number,
): Int32Array | null {
  if (lengths === null) return null;
  const values = engine.ints(lengths, 'recurrent lengths', [N]);
  for (const [n, length] of values.entries())
    expectNumber(length, `the length of sequence ${n}`, length >= 0 && length <= T, `from 0 to ${T}`);
  return values;
}

/** States as arrays: null means zeros in, nothing out. */
export interface CheckedForward<R = RealArray> {
  readonly layer: RecurrentLayer;
  readonly T: number;
  readonly N: number;
  readonly weights: Weights<R>;
  readonly input: R | Int32Array;
  readonly injected: R | null;
  readonly training: CheckedKey | null;
  readonly firstStep: number;
  readonly statistics: StatisticsArrays<R> | null;
  /** t of each row, where they differ. */
  readonly positions: Int32Array | null;
  readonly h0: R | null;
  readonly c0: R | null;
  readonly hT: R | null;
  readonly cT: R | null;
  readonly lengths: Int32Array | null;
}

export function checkForward<R extends Region, S extends SavedPass<R> = Saved<R>>(
  engine: Door<R, unknown>,
  call: RecurrentForward,
): CheckedForward<R> & { readonly output: R; readonly saved: S | null } {
  const { layer } = call;
  checkLayer(layer);
  const [T, N] = sizes(layer, call.input, true);
  const H = layer.hiddenSize;
  const input = inputOf(engine, layer, call.input, [T, N]);
  const weights = checkParameters(engine, layer, call.parameters);
  expectNoStates(layer, [call.h0, call.hT]);
  const options = {
    injected: call.injected
      ? engine.reals(call.injected, 'recurrent injected', [T, N, gateRows(layer)])
      : null,
    training: checkKey(engine, call.training, N),
    firstStep: checkFirstStep(call.firstStep),
    statistics: checkStatistics(engine, layer, call.statistics),
    positions: null,
  };
  const output = engine.reals(call.output, 'recurrent output', [T, N, H]);
  const state = (tensor: Tensor | null, label: string) => tensor && engine.reals(tensor, label, [N, H]);
  const states = {
    h0: state(call.h0, 'h0'),
    c0: state(call.c0, 'c0'),
    hT: state(call.hT, 'hT'),
    cT: state(call.cT, 'cT'),
  };
  const lengths = lengthsOf(engine, call.lengths ?? null, T, N);
  const saved = call.saved && ownSaved<S>(engine, layer, call.saved);
  if (saved && (saved.steps < T || saved.sequences < N))
    throw new RangeError(
      `Expected at most ${saved.steps} × ${saved.sequences} for saved activations but received ${T} × ${N}.`,
    );
  expectSeparate(call.output, 'recurrent output', [
    call.input,
    call.injected ?? null,
    call.h0,
    call.c0,
    call.hT,
    call.cT,
  ]);
  expectSeparate(call.hT, 'hT', [call.input, call.c0, call.cT]);
  return { layer, T, N, weights, input, ...options, output, ...states, lengths, saved };
}

/** What backward will want to know of a forward pass. */
export function passOf<R>(
  { T, N, output, lengths, training, firstStep, statistics }: CheckedForward<R> & { readonly output: R },
  input: Tensor,
): Pass<R> {
  return { T, N, input, output, lengths: lengths?.slice() ?? null, training, firstStep, statistics };
}

/** A step is a forward pass of T = 1 whose states flow on; it has no output of its own. */
export function checkStep<R extends Region>(
  engine: Door<R, unknown>,
  call: RecurrentStep,
): CheckedForward<R> {
  const { layer } = call;
  checkLayer(layer);
  const [, N] = sizes(layer, call.input, false);
  const H = layer.hiddenSize;
  const input = inputOf(engine, layer, call.input, [N]);
  const weights = checkParameters(engine, layer, call.parameters);
  const statistics = checkStatistics(engine, layer, call.statistics);
  const positions = statistics && call.positions ? engine.ints(call.positions, 'positions', [N]) : null;
  if (statistics && !positions)
    throw new TypeError('Expected the positions of a step of a layer with batch normalisation.');
  const injected = call.injected ? engine.reals(call.injected, 'injected', [N, gateRows(layer)]) : null;
  const h = engine.reals(call.h, 'h', [N, H]);
  const c = call.c && engine.reals(call.c, 'c', [N, H]);
  if (layer.cell === 'lstm' && c === null)
    throw new TypeError('Expected a cell state for c of an LSTM step.');
  expectSeparate(call.h, 'h', [call.input, call.injected ?? null, call.c]);
  const h0 = layer.recurrent === false ? null : h;
  // Nothing is spread: every token of every layer passes here.
  return {
    layer,
    T: 1,
    N,
    weights,
    input,
    injected,
    training: null,
    firstStep: 0,
    statistics,
    positions,
    h0,
    c0: c,
    hT: h,
    cT: c,
    lengths: null,
  };
}

/** A layer without recurrence has no states. */
function expectNoStates(layer: RecurrentLayer, states: readonly (Tensor | null)[]): void {
  if (layer.recurrent === false && states.some((state) => state !== null))
    throw new TypeError('Expected no states of a layer without recurrence.');
}

export interface CheckedBackward<R = RealArray, S = Saved<R>> {
  readonly layer: RecurrentLayer;
  readonly saved: S;
  readonly pass: Pass<R>;
  /** The pass's input, still alive and in shape. */
  readonly input: R | Int32Array;
  readonly weights: Weights<R>;
  readonly gradients: Weights<R | null>;
  readonly dOutput: R | null;
  readonly dhT: R | null;
  readonly dcT: R | null;
  readonly dInput: R | null;
  readonly dInjected: R | null;
  readonly dh0: R | null;
  readonly dc0: R | null;
}

export function checkBackward<R extends Region, S extends SavedPass<R> = Saved<R>>(
  engine: Door<R, unknown>,
  call: RecurrentBackward,
): CheckedBackward<R, S> {
  const { layer } = call;
  const saved = ownSaved<S>(engine, layer, call.saved);
  const { pass } = saved;
  if (pass === null)
    throw new TypeError('Expected activations of a forward pass that no backward pass has consumed.');
  const { T, N } = pass;
  const H = layer.hiddenSize;
  const input = inputOf(engine, layer, pass.input, [T, N]);
  expectShape({ type: 'real', shape: [pass.output.length] }, "the forward pass's output", [T * N * H]);
  const weights = checkParameters(engine, layer, call.parameters);
  const gradients = checkGradients(engine, layer, call.gradients);
  expectNoStates(layer, [call.dhT, call.dh0]);
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
  const dInjected = call.dInjected
    ? engine.reals(call.dInjected, 'recurrent dInjected', [T, N, gateRows(layer)])
    : null;
  expectSeparate(call.dInjected ?? null, 'recurrent dInjected', [
    pass.input,
    call.dOutput,
    call.dInput,
    call.dhT,
    call.dcT,
    call.dh0,
    call.dc0,
  ]);
  if (call.dInput !== call.dOutput) expectSeparate(call.dInput, 'recurrent dInput', [call.dOutput]);
  expectSeparate(call.dInput, 'recurrent dInput', [pass.input, call.dhT, call.dcT, call.dh0, call.dc0]);
  return { layer, saved, pass, input, weights, gradients, dOutput, ...states, dInput, dInjected };
}
