import * as tf from '@tensorflow/tfjs-core';
import type {
  DenseBackward,
  DenseForward,
  EmbeddingBackward,
  EmbeddingForward,
  MatrixProduct,
} from '../backend.ts';
import { checkEmbeddingBackward, checkEmbeddingForward } from '../checks/embedding.ts';
import { checkDenseBackward, checkDenseForward, checkMatmul } from '../checks/products.ts';
import { gathered, scattered, type TfDoor } from './context.ts';
import { add, type Place, read, write } from './places.ts';

/** op(a) · op(b) for matrices. Transposed beforehand: WebAssembly's product of operands as they are is over ten times faster than its others. */
export function product(
  a: tf.Tensor,
  b: tf.Tensor,
  { transposeA = false, transposeB = false }: { transposeA?: boolean; transposeB?: boolean } = {},
): tf.Tensor2D {
  return tf.matMul(transposeA ? tf.transpose(a) : a, transposeB ? tf.transpose(b) : b) as tf.Tensor2D;
}

export function matmul(door: TfDoor, call: MatrixProduct): void {
  const { M, K, P, a, b, bias, output, transposeA, transposeB, accumulate } = checkMatmul(door, call);
  const left = read(a, transposeA ? [K, M] : [M, K]);
  const right = read(b, transposeB ? [P, K] : [K, P]);
  let result: tf.Tensor = product(left, right, { transposeA, transposeB });
  if (bias) result = tf.add(result, read(bias, [1, P]));
  if (accumulate) add(output, result);
  else write(output, result);
}

/** y = x Wᵀ + b. */
export function denseForward(door: TfDoor, call: DenseForward): void {
  const { rows, inputs, outputs, input, weight, bias, output } = checkDenseForward(door, call);
  const y = product(read(input, [rows, inputs]), read(weight, [outputs, inputs]), { transposeB: true });
  write(output, bias ? tf.add(y, read(bias, [1, outputs])) : y);
}

/** dx = dy W; dW += dyᵀ x; db += Σ dy. */
export function denseBackward(door: TfDoor, call: DenseBackward): void {
  const checked = checkDenseBackward(door, call);
  const { rows, inputs, outputs, dInput, dWeight, dBias } = checked;
  const dy = read(checked.dOutput, [rows, outputs]);
  if (dWeight) add(dWeight, product(dy, read(checked.input, [rows, inputs]), { transposeA: true }));
  if (dBias) add(dBias, tf.sum(dy, 0));
  if (dInput) write(dInput, product(dy, read(checked.weight, [outputs, inputs])));
}

const rowsIn = (place: Place, rows: number, columns: number) => read(place, [rows, columns]) as tf.Tensor2D;

/** output[…, :] = table[tokens[…], :]. */
export function embeddingForward(door: TfDoor, call: EmbeddingForward): void {
  const { V, C, tokens, table, rows } = checkEmbeddingForward(door, call);
  write(rows, gathered(rowsIn(table, V, C), tokens));
}

/** dTable[tokens[…], :] += dOutput[…, :]. */
export function embeddingBackward(door: TfDoor, call: EmbeddingBackward): void {
  const { V, C, tokens, table, rows } = checkEmbeddingBackward(door, call);
  add(table, scattered(rowsIn(rows, tokens.length, C), tokens, V));
}
