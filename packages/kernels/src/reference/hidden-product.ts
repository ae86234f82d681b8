import type { Engine, RealArray } from '../engine.ts';
import { roundedOperand } from './bf16.ts';
import type { Cell, Frame, HiddenSegment } from './cell.ts';
import type { Normalization } from './normalization.ts';
import { addColumnSums, addOuterProduct, multiply } from './product.ts';

/** How h_{t−1} reaches the gates. */
export interface HiddenProduct {
  readonly cell: Cell;
  readonly norm: Normalization | null;
  /** [G·H]; read only where the product is normalised. */
  readonly gain: RealArray;
  readonly dGain: Float64Array;
}

/** gates += W h_{t−1}, normalised or not, segment by segment; `weightHh` as the product takes it, rounded where that is done in bf16. */
export function hiddenForward(
  engine: Engine,
  { cell, norm, gain }: HiddenProduct,
  frame: Frame,
  weightHh: RealArray,
): void {
  const { N, H, gates, gatesAt, slot } = frame;
  const width = cell.blocks * H;
  cell.hidden.forEach(({ column, row, count, source }, index) => {
    if (source !== null) cell.reset!(frame);
    const xAt = source === null ? frame.previousAt : gatesAt + source * H;
    const stride = source === null ? H : width;
    const multiplied = source === null ? frame.previous : gates;
    const x = roundedOperand(engine, 'left', multiplied, xAt, (N - 1) * stride + H);
    const to = gatesAt + column * H;
    const columns = count * H;
    if (!norm) {
      multiply(N, columns, H, x, xAt, stride, weightHh, row * H * H, H, gates, to, width, true);
      return;
    }
    const G = norm.columns;
    const at = slot * N * G + row * H;
    multiply(N, columns, H, x, xAt, stride, weightHh, row * H * H, H, norm.values, at, G, false);
    norm.forward(slot, index);
    for (let n = 0; n < N; n++)
      for (let k = 0; k < columns; k++) {
        const gate = to + n * width + k;
        gates[gate] = gates[gate]! + gain[row * H + k]! * norm.values[at + n * G + k]!;
      }
  });
}

/** After the cell's backward: dh₋₁ += dZ W. `transposed` is Wᵀ [H, G·H]; `dSource` is scratch, [N,H]. */
export function hiddenBackward(
  engine: Engine,
  { cell, norm, gain, dGain }: HiddenProduct,
  frame: Frame,
  transposed: RealArray,
  G: number,
  dSource: RealArray,
): void {
  const { N, H, gates, gatesAt, slot, dh } = frame;
  const width = cell.blocks * H;
  for (let index = cell.hidden.length - 1; index >= 0; index--) {
    const { column, row, count, source } = cell.hidden[index]!;
    const from = gatesAt + column * H;
    norm?.backward(slot, index, gates, from, width, gain, dGain);
    const dzAt = norm ? slot * N * G + row * H : from;
    const stride = norm ? G : width;
    const size = (N - 1) * stride + count * H;
    const dz = roundedOperand(engine, 'left', norm ? norm.values : gates, dzAt, size);
    const target = source === null ? dh : dSource;
    multiply(N, H, count * H, dz, dzAt, stride, transposed, row * H, G, target, 0, H, source === null);
    if (source !== null) cell.resetBackward!(frame, dSource);
  }
}

/** What the gradients of W and b_hh are made from, all steps at once. */
export interface HiddenSequence {
  readonly N: number;
  readonly H: number;
  readonly rows: number;
  readonly gates: RealArray;
  readonly first: RealArray;
  readonly output: RealArray;
}

/** dW += dZᵀ h₋₁ over all steps. */
export function hiddenWeightGradient(
  engine: Engine,
  { cell, norm }: HiddenProduct,
  { N, H, rows, gates, first, output }: HiddenSequence,
  weightHh: RealArray,
): void {
  const width = cell.blocks * H;
  for (const { column, row, count, source } of cell.hidden) {
    const dz = norm ? norm.values : gates;
    const from = norm ? row * H : column * H;
    const stride = norm ? norm.columns : width;
    const to = row * H * H;
    if (source !== null) {
      addOuterProduct(engine, rows, dz, from, stride, count * H, gates, source * H, width, H, weightHh, to);
      continue;
    }
    const next = N * stride + from;
    addOuterProduct(engine, N, dz, from, stride, count * H, first, 0, H, H, weightHh, to);
    addOuterProduct(engine, rows - N, dz, next, stride, count * H, output, 0, H, H, weightHh, to);
  }
}

/** db_hh += Σ dZ. */
export function hiddenBiasGradient(
  engine: Engine,
  segments: readonly HiddenSegment[],
  { H, rows, gates }: HiddenSequence,
  width: number,
  biasHh: RealArray,
): void {
  for (const { column, row, count } of segments)
    addColumnSums(engine, rows, gates, column * H, width, count * H, biasHh, row * H);
}
