import type { Engine, RealArray } from '../engine.ts';
import { roundOperand } from './bf16.ts';

/**
 * out[i, p] = Σ_k a[i, k] · b[p, k], or added to `out` with `accumulate`; a is M rows, b is P rows, both of K adjacent elements. A matrix is an
 * array, the index of its first element and the distance from row to row.
 *
 * Each sum runs over k from 0 in one double accumulator and is rounded once, when it is stored. So its bits do not depend on the tiling
 * (2 × 4, the shape that V8 keeps in registers), nor on M or P.
 */
export function multiply(
  M: number,
  P: number,
  K: number,
  a: RealArray,
  aStart: number,
  aStride: number,
  b: RealArray,
  bStart: number,
  bStride: number,
  out: RealArray,
  outStart: number,
  outStride: number,
  accumulate: boolean,
): void {
  const whole = P - (P % 4);
  for (let p = 0; p < whole; p += 4)
    multiplyPanel(
      M,
      K,
      a,
      aStart,
      aStride,
      b,
      bStart + p * bStride,
      bStride,
      out,
      outStart + p,
      outStride,
      accumulate,
    );
  for (let p = whole; p < P; p++)
    multiplyColumn(
      M,
      K,
      a,
      aStart,
      aStride,
      b,
      bStart + p * bStride,
      out,
      outStart + p,
      outStride,
      accumulate,
    );
}

/** Four columns of the product. */
function multiplyPanel(
  M: number,
  K: number,
  a: RealArray,
  aStart: number,
  aStride: number,
  b: RealArray,
  b0: number,
  bStride: number,
  out: RealArray,
  outStart: number,
  outStride: number,
  accumulate: boolean,
): void {
  const b1 = b0 + bStride;
  const b2 = b1 + bStride;
  const b3 = b2 + bStride;
  let i = 0;
  for (; i + 2 <= M; i += 2) {
    const a0 = aStart + i * aStride;
    const a1 = a0 + aStride;
    let s00 = 0;
    let s01 = 0;
    let s02 = 0;
    let s03 = 0;
    let s10 = 0;
    let s11 = 0;
    let s12 = 0;
    let s13 = 0;
    for (let k = 0; k < K; k++) {
      const y0 = b[b0 + k]!;
      const y1 = b[b1 + k]!;
      const y2 = b[b2 + k]!;
      const y3 = b[b3 + k]!;
      const x0 = a[a0 + k]!;
      s00 += x0 * y0;
      s01 += x0 * y1;
      s02 += x0 * y2;
      s03 += x0 * y3;
      const x1 = a[a1 + k]!;
      s10 += x1 * y0;
      s11 += x1 * y1;
      s12 += x1 * y2;
      s13 += x1 * y3;
    }
    const o0 = outStart + i * outStride;
    store(out, o0, s00, s01, s02, s03, accumulate);
    store(out, o0 + outStride, s10, s11, s12, s13, accumulate);
  }
  if (i < M) {
    const a0 = aStart + i * aStride;
    let s0 = 0;
    let s1 = 0;
    let s2 = 0;
    let s3 = 0;
    for (let k = 0; k < K; k++) {
      const x = a[a0 + k]!;
      s0 += x * b[b0 + k]!;
      s1 += x * b[b1 + k]!;
      s2 += x * b[b2 + k]!;
      s3 += x * b[b3 + k]!;
    }
    store(out, outStart + i * outStride, s0, s1, s2, s3, accumulate);
  }
}

function store(
  out: RealArray,
  at: number,
  s0: number,
  s1: number,
  s2: number,
  s3: number,
  accumulate: boolean,
): void {
  if (accumulate) {
    out[at] = out[at]! + s0;
    out[at + 1] = out[at + 1]! + s1;
    out[at + 2] = out[at + 2]! + s2;
    out[at + 3] = out[at + 3]! + s3;
  } else {
    out[at] = s0;
    out[at + 1] = s1;
    out[at + 2] = s2;
    out[at + 3] = s3;
  }
}

function multiplyColumn(
  M: number,
  K: number,
  a: RealArray,
  aStart: number,
  aStride: number,
  b: RealArray,
  b0: number,
  out: RealArray,
  outStart: number,
  outStride: number,
  accumulate: boolean,
): void {
  for (let i = 0; i < M; i++) {
    const a0 = aStart + i * aStride;
    let sum = 0;
    for (let k = 0; k < K; k++) sum += a[a0 + k]! * b[b0 + k]!;
    const at = outStart + i * outStride;
    out[at] = accumulate ? out[at]! + sum : sum;
  }
}

/** out [columns, rows], dense, = source [rows, columns] transposed. */
export function transpose(
  rows: number,
  columns: number,
  source: RealArray,
  start: number,
  stride: number,
  out: RealArray,
): void {
  // By bands of 16 rows, so that the lines of `out` that are being filled stay in the first cache.
  for (let band = 0; band < rows; band += 16) {
    const end = Math.min(rows, band + 16);
    for (let k = 0; k < columns; k++)
      for (let i = band; i < end; i++) out[k * rows + i] = source[start + i * stride + k]!;
  }
}

/** Rows per block of `addOuterProduct`. */
const blockRows = 256;

/**
 * dw [outs, ins] += Σ_r dy[r, :]ᵀ x[r, :]: the gradient of a weight. Blocks of 256 rows are summed in double and then added to `dw`, first to
 * last.
 */
export function addOuterProduct(
  engine: Engine,
  rows: number,
  dy: RealArray,
  dyStart: number,
  dyStride: number,
  outs: number,
  x: RealArray,
  xStart: number,
  xStride: number,
  ins: number,
  dw: RealArray,
  dwStart: number,
): void {
  const dyTransposed = engine.scratch('outer dy', outs * blockRows);
  const xTransposed = engine.scratch('outer x', ins * blockRows);
  for (let first = 0; first < rows; first += blockRows) {
    const K = Math.min(blockRows, rows - first);
    transpose(K, outs, dy, dyStart + first * dyStride, dyStride, dyTransposed);
    transpose(K, ins, x, xStart + first * xStride, xStride, xTransposed);
    roundOperand(engine, dyTransposed, outs * K);
    roundOperand(engine, xTransposed, ins * K);
    multiply(outs, ins, K, dyTransposed, 0, K, xTransposed, 0, K, dw, dwStart, ins, true);
  }
}

/** db [columns] += Σ_r dy[r, :], summed in double from the first row to the last: the gradient of a bias. */
export function addColumnSums(
  engine: Engine,
  rows: number,
  dy: RealArray,
  dyStart: number,
  dyStride: number,
  columns: number,
  db: RealArray,
  dbStart: number,
): void {
  const sums = engine.scratchDoubles('column sums', columns).fill(0, 0, columns);
  for (let row = 0; row < rows; row++) {
    const at = dyStart + row * dyStride;
    for (let k = 0; k < columns; k++) sums[k] = sums[k]! + dy[at + k]!;
  }
  for (let k = 0; k < columns; k++) db[dbStart + k] = db[dbStart + k]! + sums[k]!;
}
