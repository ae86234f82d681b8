import type { DenseBackward, DenseForward, MatrixProduct, Parameter } from '../backend.ts';
import { columnsOf, type Engine, expectSeparate, expectShape, rowsOf } from './engine.ts';
import { addColumnSums, addOuterProduct, multiply, transpose } from './product.ts';

/** output [M,P] (+)= op(a) [M,K] · op(b) [K,P] + bias. */
export function matmul(engine: Engine, call: MatrixProduct): void {
  const { transposeA = false, transposeB = false, accumulate = false } = call;
  const a = engine.reals(call.a, 'matmul a');
  const b = engine.reals(call.b, 'matmul b');
  const [aRows, aColumns] = [rowsOf(call.a), columnsOf(call.a)];
  const [bRows, bColumns] = [rowsOf(call.b), columnsOf(call.b)];
  const [M, K] = transposeA ? [aColumns, aRows] : [aRows, aColumns];
  const [P, inner] = transposeB ? [bRows, bColumns] : [bColumns, bRows];
  if (inner !== K) throw new RangeError(`Expected ${K} rows for matmul op(b) but received ${inner}.`);
  const out = engine.reals(call.output, 'matmul output');
  if (rowsOf(call.output) !== M || columnsOf(call.output) !== P)
    expectShape(call.output, 'matmul output', [M, P]);
  expectSeparate(call.output, 'matmul output', [call.a, call.b, call.bias ?? null]);

  let rows = a;
  if (transposeA) transpose(K, M, a, 0, M, (rows = engine.scratch('matmul a', M * K)));
  let columns = b;
  if (!transposeB) transpose(K, P, b, 0, P, (columns = engine.scratch('matmul b', P * K)));
  multiply(M, P, K, rows, 0, K, columns, 0, K, out, 0, P, accumulate);
  if (call.bias) addToRows(M, P, engine.reals(call.bias, 'matmul bias', [P]), out);
}

function addToRows(M: number, P: number, bias: ArrayLike<number>, out: Float32Array | Float64Array): void {
  for (let i = 0; i < M; i++) for (let p = 0; p < P; p++) out[i * P + p] = out[i * P + p]! + bias[p]!;
}

function weightSize(weight: Parameter): [number, number] {
  const { use } = weight.role;
  if (use !== 'dense' && use !== 'embedding')
    throw new TypeError(
      `Expected a parameter of role dense or embedding for the dense weight but received ${use}.`,
    );
  return weight.shape as unknown as [number, number];
}

/** y = x Wᵀ + b. */
export function denseForward(engine: Engine, call: DenseForward): void {
  const [outs, ins] = weightSize(call.weight);
  const lead = call.input.shape.slice(0, -1);
  const rows = rowsOf(call.input);
  const x = engine.reals(call.input, 'dense input', [...lead, ins]);
  const w = engine.reals(call.weight, 'dense weight');
  const y = engine.reals(call.output, 'dense output', [...lead, outs]);
  expectSeparate(call.output, 'dense output', [call.input, call.weight, call.bias]);
  multiply(rows, outs, ins, x, 0, ins, w, 0, ins, y, 0, outs, false);
  if (call.bias) addToRows(rows, outs, engine.reals(call.bias, 'dense bias', [outs]), y);
}

/** dx = dy W; dW += dyᵀ x; db += Σ dy. */
export function denseBackward(engine: Engine, call: DenseBackward): void {
  const [outs, ins] = weightSize(call.weight);
  const lead = call.input.shape.slice(0, -1);
  const rows = rowsOf(call.input);
  const x = engine.reals(call.input, 'dense input', [...lead, ins]);
  const w = engine.reals(call.weight, 'dense weight');
  const dy = engine.reals(call.dOutput, 'dense dOutput', [...lead, outs]);
  expectSeparate(call.dInput, 'dense dInput', [call.dOutput, call.input, call.weight]);
  if (call.dWeight) {
    const dw = engine.reals(call.dWeight, 'dense dWeight', call.weight.shape);
    addOuterProduct(engine, rows, dy, 0, outs, outs, x, 0, ins, ins, dw, 0);
  }
  if (call.dBias)
    addColumnSums(engine, rows, dy, 0, outs, outs, engine.reals(call.dBias, 'dense dBias', [outs]), 0);
  if (call.dInput) {
    const dx = engine.reals(call.dInput, 'dense dInput', call.input.shape);
    const transposed = engine.scratch('dense weight', ins * outs);
    transpose(outs, ins, w, 0, ins, transposed);
    multiply(rows, ins, outs, dy, 0, outs, transposed, 0, outs, dx, 0, ins, false);
  }
}
