import type { DenseBackward, DenseForward, MatrixProduct } from '../backend.ts';
import { checkDenseBackward, checkDenseForward, checkMatmul } from '../checks/products.ts';
import type { Engine } from '../engine.ts';
import { roundedOperand, roundOperand } from './bf16.ts';
import { addColumnSums, addOuterProduct, multiply, transpose } from './product.ts';

/** output [M,P] (+)= op(a) [M,K] · op(b) [K,P] + bias. */
export function matmul(engine: Engine, call: MatrixProduct): void {
  const { M, K, P, a, b, bias, output, transposeA, transposeB, accumulate } = checkMatmul(engine, call);
  let rows = a;
  if (transposeA) transpose(K, M, a, 0, M, (rows = engine.scratch('matmul a', M * K)));
  let columns = b;
  if (!transposeB) transpose(K, P, b, 0, P, (columns = engine.scratch('matmul b', P * K)));
  rows = roundedOperand(engine, 'left', rows, 0, M * K);
  columns = roundedOperand(engine, 'right', columns, 0, P * K);
  multiply(M, P, K, rows, 0, K, columns, 0, K, output, 0, P, accumulate);
  if (bias) addToRows(M, P, bias, output);
}

function addToRows(M: number, P: number, bias: ArrayLike<number>, out: Float32Array | Float64Array): void {
  for (let i = 0; i < M; i++) for (let p = 0; p < P; p++) out[i * P + p] = out[i * P + p]! + bias[p]!;
}

/** y = x Wᵀ + b. */
export function denseForward(engine: Engine, call: DenseForward): void {
  const { rows, inputs, outputs, input, weight, bias, output } = checkDenseForward(engine, call);
  const x = roundedOperand(engine, 'left', input, 0, rows * inputs);
  const w = roundedOperand(engine, 'right', weight, 0, outputs * inputs);
  multiply(rows, outputs, inputs, x, 0, inputs, w, 0, inputs, output, 0, outputs, false);
  if (bias) addToRows(rows, outputs, bias, output);
}

/** dx = dy W; dW += dyᵀ x; db += Σ dy. */
export function denseBackward(engine: Engine, call: DenseBackward): void {
  const checked = checkDenseBackward(engine, call);
  const { rows, inputs, outputs, input, weight, dOutput, dInput, dWeight, dBias } = checked;
  if (dWeight)
    addOuterProduct(engine, rows, dOutput, 0, outputs, outputs, input, 0, inputs, inputs, dWeight, 0);
  if (dBias) addColumnSums(engine, rows, dOutput, 0, outputs, outputs, dBias, 0);
  if (dInput) {
    const transposed = engine.scratch('dense weight', inputs * outputs);
    transpose(outputs, inputs, weight, 0, inputs, transposed);
    roundOperand(engine, transposed, inputs * outputs);
    const dy = roundedOperand(engine, 'left', dOutput, 0, rows * outputs);
    multiply(rows, inputs, outputs, dy, 0, outputs, transposed, 0, outputs, dInput, 0, inputs, false);
  }
}
