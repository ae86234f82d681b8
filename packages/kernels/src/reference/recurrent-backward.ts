import type { RecurrentBackward } from '../backend.ts';
import { type CheckedBackward, checkBackward } from '../checks/recurrent.ts';
import type { Engine, RealArray } from '../engine.ts';
import { gateRows } from '../roles.ts';
import { roundedOperand, roundOperand } from './bf16.ts';
import type { Frame } from './cell.ts';
import { scatterAdd } from './embedding.ts';
import { addColumnSums, addOuterProduct, multiply, transpose } from './product.ts';
import { copyPart, forEachEnded, setOrZero } from './recurrent.ts';
import { cellOf } from './recurrent-layer.ts';

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
  throughTime(engine, checked, dh, dc);
  saved.pass = null;
  parameterGradients(engine, checked);
  if (checked.dInput) inputGradient(engine, checked, checked.dInput);
  if (dh0) copyPart(dh0, dh, 0, unit);
  if (dc0) copyPart(dc0, dc, 0, unit);
}

function throughTime(engine: Engine, checked: CheckedBackward, dh: RealArray, dc: RealArray): void {
  const { layer, saved, weights, dOutput, dhT, dcT } = checked;
  const { T, N, output, lengths } = checked.pass;
  const cell = cellOf(layer);
  const H = layer.hiddenSize;
  const G = gateRows(layer);
  const unit = N * H;
  const width = cell.blocks * H;
  const transposed = engine.scratch('weightHh', H * G);
  transpose(G, H, weights.weightHh, 0, H, transposed);
  roundOperand(engine, transposed, H * G);
  const { gates, cells, first } = saved;
  const frame: Frame = {
    N,
    H,
    gates,
    gatesAt: 0,
    biasIh: first,
    biasHh: first,
    previous: output,
    previousAt: 0,
    output,
    outputAt: 0,
    cells,
    cellsPreviousAt: 0,
    cellsAt: 0,
    dh,
    dc,
  };
  for (let t = T - 1; t >= 0; t--) {
    frame.gatesAt = t * N * width;
    frame.outputAt = t * unit;
    frame.previous = t > 0 ? output : first;
    frame.previousAt = t > 0 ? (t - 1) * unit : 0;
    frame.cellsPreviousAt = t * unit;
    frame.cellsAt = (t + 1) * unit;
    if (dOutput) for (let i = 0; i < unit; i++) dh[i] = dh[i]! + dOutput[t * unit + i]!;
    cell.backward(frame);
    forEachEnded(lengths, t, (n) => gates.fill(0, (t * N + n) * width, (t * N + n + 1) * width));
    // dh₋₁ = what the cell passed on directly + dZ W.
    const dZ = roundedOperand(engine, 'left', gates, frame.gatesAt, N * width);
    multiply(N, H, G, dZ, frame.gatesAt, width, transposed, 0, G, dh, 0, H, true);
    // What arrives at a final state waits until its sequence's own last step.
    forEachEnded(lengths, t, (n) => {
      const row = (array: RealArray) => array.subarray(n * H, (n + 1) * H);
      setOrZero(row(dh), dhT && row(dhT), H);
      setOrZero(row(dc), dcT && row(dcT), H);
    });
  }
}

function parameterGradients(engine: Engine, { layer, saved, pass, input, gradients }: CheckedBackward): void {
  const { T, N, output } = pass;
  const { weightIh, weightHh, biasIh, biasHh } = gradients;
  const cell = cellOf(layer);
  const H = layer.hiddenSize;
  const C = layer.inputSize;
  const G = gateRows(layer);
  const width = cell.blocks * H;
  const dZ = saved.gates;
  const rows = T * N;
  if (weightHh) {
    addOuterProduct(engine, N, dZ, 0, width, G, saved.first, 0, H, H, weightHh, 0);
    addOuterProduct(engine, rows - N, dZ, N * width, width, G, output, 0, H, H, weightHh, 0);
  }
  if (biasHh) addColumnSums(engine, rows, dZ, 0, width, G, biasHh, 0);
  for (const segment of cell.input) {
    const from = segment.column * H;
    const to = segment.row * H;
    const count = segment.count * H;
    if (biasIh) addColumnSums(engine, rows, dZ, from, width, count, biasIh, to);
    if (!weightIh) continue;
    if (layer.input === 'tokens')
      scatterAdd(engine, input as Int32Array, C, dZ, from, width, count, weightIh, to, G);
    else addOuterProduct(engine, rows, dZ, from, width, count, input as RealArray, 0, C, C, weightIh, to * C);
  }
}

/** dx = dZ U, over the columns that the input feeds. */
function inputGradient(
  engine: Engine,
  { layer, saved, pass, weights }: CheckedBackward,
  dInput: RealArray,
): void {
  const { T, N } = pass;
  const cell = cellOf(layer);
  const H = layer.hiddenSize;
  const C = layer.inputSize;
  const G = gateRows(layer);
  const width = cell.blocks * H;
  const transposed = engine.scratch('weightIh', C * G);
  transpose(G, C, weights.weightIh, 0, C, transposed);
  roundOperand(engine, transposed, C * G);
  const dZ = roundedOperand(engine, 'left', saved.gates, 0, T * N * width);
  cell.input.forEach(({ column, row, count }, index) => {
    multiply(T * N, C, count * H, dZ, column * H, width, transposed, row * H, G, dInput, 0, C, index > 0);
  });
}
