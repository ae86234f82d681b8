import type { RecurrentBackward } from '../backend.ts';
import { type CheckedBackward, checkBackward } from '../checks/recurrent.ts';
import type { Engine, RealArray } from '../engine.ts';
import { gateRows } from '../roles.ts';
import { roundOperand } from './bf16.ts';
import type { Cell } from './cell.ts';
import {
  type HiddenProduct,
  hiddenBackward,
  hiddenBiasGradient,
  hiddenWeightGradient,
} from './hidden-product.ts';
import { collectFromGates, inputColumns, inputGradient, inputWeightGradient } from './input-product.ts';
import { returnCarry, takeCarry } from './noise.ts';
import { addColumnSums, transpose } from './product.ts';
import { copyPart, createFrame, forEachEnded, hasEnded, setOrZero } from './recurrent.ts';
import { cellOf } from './recurrent-layer.ts';
import { createPassOptions, type PassOptions } from './recurrent-options.ts';

/** What the two halves of a backward pass share. */
interface Work extends CheckedBackward {
  readonly cell: Cell;
  readonly options: PassOptions;
  readonly hidden: HiddenProduct;
  readonly dGainIh: Float64Array;
}

/**
 * Backpropagation through time. First the time loop, which turns the saved gates into their gradients dZ [T,N,blocks·H]; then the
 * gradients of parameters and input, each one product over all steps at once.
 */
export function recurrentBackward(engine: Engine, call: RecurrentBackward): void {
  const checked = checkBackward(engine, call);
  const { saved, pass, dh0, dc0 } = checked;
  const unit = pass.N * checked.layer.hiddenSize;
  const dh = engine.scratch('dh', unit);
  const dc = engine.scratch('dc', unit);
  setOrZero(dh, checked.dhT, unit);
  setOrZero(dc, checked.dcT, unit);
  const work = createWork(engine, checked);
  throughTime(engine, work, dh, dc);
  saved.pass = null;
  parameterGradients(engine, work);
  if (dh0) copyPart(dh0, dh, 0, unit);
  if (dc0) copyPart(dc0, dc, 0, unit);
}

function createWork(engine: Engine, checked: CheckedBackward): Work {
  const { layer, weights, saved, pass } = checked;
  const cell = cellOf(layer);
  const G = gateRows(layer);
  const { normalized, inverses } = saved;
  const shape = { layer, cell, weights, slots: pass.T, normalized, inverses, positions: null };
  const options = createPassOptions(engine, { ...shape, ...pass });
  const dGain = engine.scratchDoubles('dGainHh', G).fill(0, 0, G);
  const hidden = { cell, norm: options.hidden, gain: weights.gainHh, dGain };
  return { ...checked, cell, options, hidden, dGainIh: engine.scratchDoubles('dGainIh', G).fill(0, 0, G) };
}

function throughTime(engine: Engine, work: Work, dh: RealArray, dc: RealArray): void {
  const { layer, saved, weights, dOutput, dhT, dcT, cell, options, hidden } = work;
  const { T, N, output, firstStep, lengths } = work.pass;
  const H = layer.hiddenSize;
  const G = gateRows(layer);
  const unit = N * H;
  const width = cell.blocks * H;
  const transposed = engine.scratch('weightHh', H * G);
  if (cell.hidden.length > 0) transpose(G, H, weights.weightHh, 0, H, transposed);
  roundOperand(engine, transposed, H * G);
  const dSource = engine.scratch('dSource', unit);
  const dProduct = engine.scratch('dProduct', options.input ? N * G : 0);
  const { gates, first } = saved;
  const { noise } = options;
  const frame = createFrame(engine, work, N, saved, output, dh, dc);
  frame.lstm = options.lstm;
  for (let t = T - 1; t >= 0; t--) {
    frame.slot = t;
    frame.gatesAt = t * N * width;
    frame.outputAt = t * unit;
    frame.previous = t > 0 ? output : first;
    frame.previousAt = t > 0 ? (t - 1) * unit : 0;
    frame.cellsPreviousAt = t * unit;
    frame.cellsAt = (t + 1) * unit;
    if (dOutput) for (let i = 0; i < unit; i++) dh[i] = dh[i]! + dOutput[t * unit + i]!;
    forEachEnded(lengths, t, (n) => {
      dh.fill(0, n * H, (n + 1) * H);
      dc.fill(0, n * H, (n + 1) * H);
    });
    options.statistics?.go(firstStep + t, N, (n) => hasEnded(lengths, n, t));
    noise?.go(firstStep + t, frame);
    if (noise?.hidden) takeCarry(noise.hidden, unit, dh);
    if (noise?.cell) takeCarry(noise.cell, unit, dc);
    cell.backward(frame);
    forEachEnded(lengths, t, (n) => gates.fill(0, (t * N + n) * width, (t * N + n + 1) * width));
    hiddenBackward(engine, hidden, frame, transposed, G, dSource);
    if (options.input) {
      collectFromGates(cell, H, N, gates, frame.gatesAt, dProduct);
      options.input.backward(t, 0, dProduct, 0, G, weights.gainIh, work.dGainIh);
    }
    if (noise?.hidden) returnCarry(noise.hidden, unit, dh);
    if (noise?.cell) returnCarry(noise.cell, unit, dc);
    // What arrives at a final state waits until its sequence's own last step.
    forEachEnded(lengths, t, (n) => {
      const row = (array: RealArray) => array.subarray(n * H, (n + 1) * H);
      setOrZero(row(dh), dhT && row(dhT), H);
      setOrZero(row(dc), dcT && row(dcT), H);
    });
  }
}

function parameterGradients(engine: Engine, work: Work): void {
  const { layer, saved, pass, gradients, cell, options, hidden } = work;
  const { T, N, output } = pass;
  const H = layer.hiddenSize;
  const width = cell.blocks * H;
  const rows = T * N;
  const { gates } = saved;
  const sequence = { N, H, rows, gates, first: saved.first, output };
  if (gradients.weightHh) hiddenWeightGradient(engine, hidden, sequence, gradients.weightHh);
  if (gradients.biasHh) hiddenBiasGradient(engine, cell.hidden, sequence, width, gradients.biasHh);
  if (gradients.biasIh)
    for (const { column, row, count } of cell.input)
      addColumnSums(engine, rows, gates, column * H, width, count * H, gradients.biasIh, row * H);
  const columns = inputColumns(layer, cell, gates, options.input);
  if (gradients.weightIh) inputWeightGradient(engine, work, columns, gradients.weightIh);
  if (work.dInput) inputGradient(engine, work, columns, work.dInput);
  if (work.dInjected) collectFromGates(cell, H, rows, gates, 0, work.dInjected);
  addSums(gradients.gainIh, work.dGainIh);
  addSums(gradients.gainHh, hidden.dGain);
  if (!options.lstm) return;
  addSums(gradients.peephole, options.lstm.dPeephole);
  addSums(gradients.gainCell, options.lstm.dGain);
  addSums(gradients.biasCell, options.lstm.dBias);
}

function addSums(target: RealArray | null, sums: Float64Array): void {
  if (target) for (let i = 0; i < target.length; i++) target[i] = target[i]! + sums[i]!;
}
