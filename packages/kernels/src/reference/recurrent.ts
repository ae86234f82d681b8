import type { RecurrentForward, RecurrentStep } from '../backend.ts';
import { type CheckedForward, checkForward, checkStep, passOf, type Saved } from '../checks/recurrent.ts';
import type { Engine, RealArray } from '../engine.ts';
import { gateRows } from '../roles.ts';
import { roundedOperand } from './bf16.ts';
import type { Frame } from './cell.ts';
import { hiddenForward } from './hidden-product.ts';
import { addToGates, inputColumns, projectInput } from './input-product.ts';
import { zoneout } from './noise.ts';
import { cellOf, normalizedSizes } from './recurrent-layer.ts';
import { createPassOptions } from './recurrent-options.ts';

/** Where a pass keeps its activations: all steps, or one. */
type Room = Pick<Saved, 'gates' | 'cells' | 'first' | 'normalized' | 'inverses'>;

function scratchRoom(engine: Engine, { layer, N }: CheckedForward): Room {
  const unit = N * layer.hiddenSize;
  const [normalized, inverses] = normalizedSizes(layer, 1, N);
  return {
    gates: engine.scratch('gates', unit * cellOf(layer).blocks),
    cells: engine.scratch('cells', layer.cell === 'lstm' ? 2 * unit : 0),
    first: engine.scratch('first state', unit),
    normalized: engine.scratch('normalized', normalized),
    inverses: engine.scratch('inverses', inverses),
  };
}

/** A frame before its first step. */
export function createFrame(
  engine: Engine,
  { layer, weights }: Pick<CheckedForward, 'layer' | 'weights'>,
  N: number,
  { gates, cells, first }: Room,
  output: RealArray,
  dh: RealArray,
  dc: RealArray,
): Frame {
  const noBias = layer.recurrent === false;
  return {
    N,
    H: layer.hiddenSize,
    slot: 0,
    gates,
    gatesAt: 0,
    biasIh: weights.biasIh,
    biasHh: noBias ? engine.scratch('no bias', gateRows(layer)).fill(0) : weights.biasHh,
    previous: first,
    previousAt: 0,
    output,
    outputAt: 0,
    cells,
    cellsPreviousAt: 0,
    cellsAt: 0,
    dh,
    dc,
    mask: null,
    lstm: null,
  };
}

/** The time loop: with `saved` the activations of all steps are kept, without it those of one step only; the bits are the same. */
function run(engine: Engine, checked: CheckedForward, output: RealArray, saved: Saved | null): void {
  const { layer, T, N, weights, input, injected, firstStep, lengths, hT } = checked;
  const cell = cellOf(layer);
  const H = layer.hiddenSize;
  const G = gateRows(layer);
  const unit = N * H;
  const width = cell.blocks * H;
  const isLstm = cell.kind === 'lstm';
  const slots = saved ? T : 1;
  const room = saved ?? scratchRoom(engine, checked);
  const { gates, cells, first, normalized, inverses } = room;
  setOrZero(first, checked.h0, unit);
  if (isLstm) setOrZero(cells, checked.c0, unit);

  const options = createPassOptions(engine, { ...checked, cell, slots, normalized, inverses });
  const { statistics, noise } = options;
  const hidden = { cell, norm: options.hidden, gain: weights.gainHh, dGain: new Float64Array(0) };
  const columns = inputColumns(layer, cell, gates, options.input);
  if (saved) projectInput(engine, layer, weights.weightIh, input, 0, T * N, columns, 0);
  const frame = createFrame(engine, checked, N, room, output, first, first);
  frame.lstm = options.lstm;
  const weightHh = roundedOperand(engine, 'recurrent', weights.weightHh, 0, weights.weightHh.length);
  for (let t = 0; t < T; t++) {
    const slot = saved ? t : 0;
    frame.slot = slot;
    frame.gatesAt = slot * N * width;
    frame.outputAt = t * unit;
    frame.cellsPreviousAt = (t % (slots + 1)) * unit;
    frame.cellsAt = ((t + 1) % (slots + 1)) * unit;
    statistics?.go(firstStep + t, N, (n) => hasEnded(lengths, n, t));
    statistics?.countBatch();
    noise?.go(firstStep + t, frame);
    if (!saved) projectInput(engine, layer, weights.weightIh, input, t * N, N, columns, 0);
    if (options.input) {
      options.input.forward(slot, 0);
      gates.fill(0, frame.gatesAt, frame.gatesAt + N * width);
      addToGates(cell, H, N, options.input.values, slot * N * G, weights.gainIh, gates, frame.gatesAt);
    }
    if (injected) addToGates(cell, H, N, injected, t * N * G, null, gates, frame.gatesAt);
    hiddenForward(engine, hidden, frame, weightHh);
    cell.forward(frame);
    if (noise?.hidden) zoneout(noise.hidden, unit, frame.previous, frame.previousAt, output, frame.outputAt);
    if (noise?.cell) zoneout(noise.cell, unit, cells, frame.cellsPreviousAt, cells, frame.cellsAt);
    forEachEnded(lengths, t, (n) => {
      output.fill(0, t * unit + n * H, t * unit + (n + 1) * H);
      const before = frame.cellsPreviousAt + n * H;
      if (isLstm) cells.copyWithin(frame.cellsAt + n * H, before, before + H);
    });
    frame.previous = output;
    frame.previousAt = t * unit;
  }
  for (let n = 0; n < N && hT; n++) {
    const length = lengths ? lengths[n]! : T;
    const [from, at] = length === 0 ? [first, n * H] : [output, (length - 1) * unit + n * H];
    hT.set(from.subarray(at, at + H), n * H);
  }
  if (checked.cT && isLstm) copyPart(checked.cT, cells, (T % (slots + 1)) * unit, unit);
}

/** Whether sequence n has no step t. */
export function hasEnded(lengths: Int32Array | null, n: number, t: number): boolean {
  return lengths !== null && t >= lengths[n]!;
}

/** Calls body(n) for every sequence that has no step t. */
export function forEachEnded(lengths: Int32Array | null, t: number, body: (n: number) => void): void {
  if (lengths === null) return;
  for (let n = 0; n < lengths.length; n++) if (hasEnded(lengths, n, t)) body(n);
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
  const checked = checkForward(engine, call);
  const { output, saved } = checked;
  run(engine, checked, output, saved);
  if (saved) saved.pass = passOf(checked, call.input);
}

export function recurrentStep(engine: Engine, call: RecurrentStep): void {
  const checked = checkStep(engine, call);
  const output = engine.scratch('step output', checked.N * checked.layer.hiddenSize);
  run(engine, checked, output, null);
}
