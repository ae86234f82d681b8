import type { RecurrentBackward, Tensor } from '../backend.ts';
import type { Frame } from './cell.ts';
import { scatterAdd } from './embedding.ts';
import { type Engine, expectSeparate, expectShape, type RealArray } from './engine.ts';
import { gateRows } from './layout.ts';
import { addColumnSums, addOuterProduct, multiply, transpose } from './product.ts';
import { copyPart, setOrZero } from './recurrent.ts';
import { cellOf, ownSaved, type Pass, type Saved, weightsOf } from './recurrent-layer.ts';

/**
 * Backpropagation through time. First the time loop, which turns the saved gates into their gradients dZ [T,N,blocks·H]; then the
 * gradients of parameters and input, each one product over all steps at once.
 */
export function recurrentBackward(engine: Engine, call: RecurrentBackward): void {
  const { layer } = call;
  const saved = ownSaved(engine, layer, call.saved);
  const { pass } = saved;
  if (pass === null)
    throw new TypeError('Expected activations of a forward pass that no backward pass has consumed.');
  const { T, N } = pass;
  const H = layer.hiddenSize;
  const weights = weightsOf(engine, layer, call.parameters);
  const state = (tensor: Tensor | null, label: string) => tensor && engine.reals(tensor, label, [N, H]);
  const dOutput = call.dOutput && engine.reals(call.dOutput, 'recurrent dOutput', [T, N, H]);
  const dhT = state(call.dhT, 'dhT');
  const dcT = state(call.dcT, 'dcT');
  const dh0 = state(call.dh0, 'dh0');
  const dc0 = state(call.dc0, 'dc0');
  if (call.dInput && layer.input === 'tokens')
    throw new TypeError('Expected no dInput: tokens have no gradient.');
  const dInput = call.dInput && engine.reals(call.dInput, 'recurrent dInput', [T, N, layer.inputSize]);
  if (call.dInput !== call.dOutput) expectSeparate(call.dInput, 'recurrent dInput', [call.dOutput]);
  expectSeparate(call.dInput, 'recurrent dInput', [pass.input, call.dhT, call.dcT, call.dh0, call.dc0]);

  const unit = N * H;
  const dh = engine.scratch('dh', unit);
  const dc = engine.scratch('dc', unit);
  setOrZero(dh, dhT, unit);
  setOrZero(dc, dcT, unit);
  throughTime(engine, call, saved, pass, weights.weightHh, dOutput, dh, dc);
  saved.pass = null;
  parameterGradients(engine, call, saved, pass);
  if (dInput) inputGradient(engine, call, saved, pass, weights.weightIh, dInput);
  if (dh0) copyPart(dh0, dh, 0, unit);
  if (dc0) copyPart(dc0, dc, 0, unit);
}

function throughTime(
  engine: Engine,
  { layer }: RecurrentBackward,
  saved: Saved,
  { T, N, output }: Pass,
  weightHh: RealArray,
  dOutput: RealArray | null,
  dh: RealArray,
  dc: RealArray,
): void {
  const cell = cellOf(layer);
  const H = layer.hiddenSize;
  const G = gateRows(layer);
  const unit = N * H;
  const width = cell.blocks * H;
  const transposed = engine.scratch('weightHh', H * G);
  transpose(G, H, weightHh, 0, H, transposed);
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
    // dh₋₁ = what the cell passed on directly + dZ W.
    multiply(N, H, G, gates, frame.gatesAt, width, transposed, 0, G, dh, 0, H, true);
  }
}

function parameterGradients(
  engine: Engine,
  call: RecurrentBackward,
  saved: Saved,
  { T, N, input, output }: Pass,
): void {
  const { layer, gradients, parameters } = call;
  const cell = cellOf(layer);
  const H = layer.hiddenSize;
  const C = layer.inputSize;
  const G = gateRows(layer);
  const width = cell.blocks * H;
  const dZ = saved.gates;
  const rows = T * N;
  if (gradients.weightHh) {
    const dw = engine.reals(gradients.weightHh, 'dWeightHh', [G, H]);
    addOuterProduct(engine, N, dZ, 0, width, G, saved.first, 0, H, H, dw, 0);
    addOuterProduct(engine, rows - N, dZ, N * width, width, G, output, 0, H, H, dw, 0);
  }
  if (gradients.biasHh)
    addColumnSums(engine, rows, dZ, 0, width, G, engine.reals(gradients.biasHh, 'dBiasHh', [G]), 0);
  for (const segment of cell.input) {
    const from = segment.column * H;
    const to = segment.row * H;
    const count = segment.count * H;
    if (gradients.biasIh)
      addColumnSums(engine, rows, dZ, from, width, count, engine.reals(gradients.biasIh, 'dBiasIh', [G]), to);
    if (!gradients.weightIh) continue;
    expectShape(gradients.weightIh, 'dWeightIh', parameters.weightIh.shape);
    const dw = engine.reals(gradients.weightIh, 'dWeightIh');
    if (layer.input === 'tokens') {
      const tokens = engine.ints(input, 'recurrent input');
      scatterAdd(engine, tokens, C, dZ, from, width, count, dw, to, G);
    } else {
      const x = engine.reals(input, 'recurrent input');
      addOuterProduct(engine, rows, dZ, from, width, count, x, 0, C, C, dw, to * C);
    }
  }
}

/** dx = dZ U, over the columns that the input feeds. */
function inputGradient(
  engine: Engine,
  { layer }: RecurrentBackward,
  saved: Saved,
  { T, N }: Pass,
  weightIh: RealArray,
  dInput: RealArray,
): void {
  const cell = cellOf(layer);
  const H = layer.hiddenSize;
  const C = layer.inputSize;
  const G = gateRows(layer);
  const width = cell.blocks * H;
  const transposed = engine.scratch('weightIh', C * G);
  transpose(G, C, weightIh, 0, C, transposed);
  cell.input.forEach(({ column, row, count }, index) => {
    multiply(
      T * N,
      C,
      count * H,
      saved.gates,
      column * H,
      width,
      transposed,
      row * H,
      G,
      dInput,
      0,
      C,
      index > 0,
    );
  });
}
