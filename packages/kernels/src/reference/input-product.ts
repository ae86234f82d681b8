import type { RecurrentLayer } from '../backend.ts';
import type { CheckedBackward } from '../checks/recurrent.ts';
import type { Engine, RealArray } from '../engine.ts';
import { gateBlocks, gateRows } from '../roles.ts';
import { roundedOperand, roundOperand } from './bf16.ts';
import type { Cell, InputSegment } from './cell.ts';
import { scatterAdd } from './embedding.ts';
import type { Normalization } from './normalization.ts';
import { addOuterProduct, multiply, transpose } from './product.ts';

/** [rows, width] with segments of the gates' columns, such as the gates themselves. */
export interface GateColumns {
  readonly values: RealArray;
  readonly width: number;
  readonly segments: readonly InputSegment[];
}

/** Where U x goes and its gradient comes from: the gates, or the normalised product. */
export function inputColumns(
  layer: RecurrentLayer,
  cell: Cell,
  gates: RealArray,
  norm: Normalization | null,
): GateColumns {
  if (!norm) return { values: gates, width: cell.blocks * layer.hiddenSize, segments: cell.input };
  const segments = [{ column: 0, row: 0, count: gateBlocks[layer.cell] }];
  return { values: norm.values, width: norm.columns, segments };
}

/** `rows` rows of U x from row `first` of the input on, at `at`; 0 in columns that the input does not feed. */
export function projectInput(
  engine: Engine,
  layer: RecurrentLayer,
  weightIh: RealArray,
  input: RealArray | Int32Array,
  first: number,
  rows: number,
  { values, width, segments }: GateColumns,
  at: number,
): void {
  const H = layer.hiddenSize;
  const C = layer.inputSize;
  const G = gateRows(layer);
  if (segments.length > 1) values.fill(0, at, at + rows * width);
  const dense = layer.input === 'dense';
  const x = dense ? roundedOperand(engine, 'left', input as RealArray, first * C, rows * C) : null;
  const w = dense ? roundedOperand(engine, 'right', weightIh, 0, G * C) : weightIh;
  for (const segment of segments) {
    const to = at + segment.column * H;
    const count = segment.count * H;
    if (x) {
      multiply(rows, count, C, x, first * C, C, w, segment.row * H * C, C, values, to, width, false);
    } else {
      for (let r = 0; r < rows; r++) {
        const from = input[first + r]! * G + segment.row * H;
        for (let k = 0; k < count; k++) values[to + r * width + k] = weightIh[from + k]!;
      }
    }
  }
}

/** gates += rows [rows, G], each column times its gain if there is one; `at` is the gates' first row. */
export function addToGates(
  cell: Cell,
  H: number,
  rows: number,
  source: RealArray,
  sourceAt: number,
  gain: RealArray | null,
  gates: RealArray,
  at: number,
): void {
  const G = gateBlocks[cell.kind] * H;
  const width = cell.blocks * H;
  for (const { column, row, count } of cell.input)
    for (let r = 0; r < rows; r++)
      for (let k = 0; k < count * H; k++) {
        const to = at + r * width + column * H + k;
        const value = source[sourceAt + r * G + row * H + k]!;
        gates[to] = gates[to]! + (gain ? gain[row * H + k]! * value : value);
      }
}

/** target [rows, G] ← the input's columns of the gates, in PyTorch's order. */
export function collectFromGates(
  cell: Cell,
  H: number,
  rows: number,
  gates: RealArray,
  at: number,
  target: RealArray,
): void {
  const G = gateBlocks[cell.kind] * H;
  const width = cell.blocks * H;
  for (const { column, row, count } of cell.input)
    for (let r = 0; r < rows; r++)
      for (let k = 0; k < count * H; k++)
        target[r * G + row * H + k] = gates[at + r * width + column * H + k]!;
}

/** dU += dZᵀ x, a scatter-add for tokens. */
export function inputWeightGradient(
  engine: Engine,
  { layer, pass, input }: CheckedBackward,
  { values, width, segments }: GateColumns,
  weightIh: RealArray,
): void {
  const rows = pass.T * pass.N;
  const H = layer.hiddenSize;
  const C = layer.inputSize;
  for (const segment of segments) {
    const from = segment.column * H;
    const to = segment.row * H;
    const count = segment.count * H;
    if (layer.input === 'tokens')
      scatterAdd(engine, input as Int32Array, C, values, from, width, count, weightIh, to, gateRows(layer));
    else
      addOuterProduct(
        engine,
        rows,
        values,
        from,
        width,
        count,
        input as RealArray,
        0,
        C,
        C,
        weightIh,
        to * C,
      );
  }
}

/** dx = dZ U, over the columns that the input feeds. */
export function inputGradient(
  engine: Engine,
  { layer, pass, weights }: CheckedBackward,
  { values, width, segments }: GateColumns,
  dInput: RealArray,
): void {
  const H = layer.hiddenSize;
  const C = layer.inputSize;
  const G = gateRows(layer);
  const transposed = engine.scratch('weightIh', C * G);
  transpose(G, C, weights.weightIh, 0, C, transposed);
  roundOperand(engine, transposed, C * G);
  const dZ = roundedOperand(engine, 'left', values, 0, pass.T * pass.N * width);
  segments.forEach(({ column, row, count }, index) => {
    multiply(
      pass.T * pass.N,
      C,
      count * H,
      dZ,
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
