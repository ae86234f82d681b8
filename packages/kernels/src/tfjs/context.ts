import * as tf from '@tensorflow/tfjs-core';
import type { Door } from '../engine.ts';
import type { Place } from './places.ts';

/** What calls are checked by. Integers and doubles stay on the host: calls are checked there, sums end there, and both are few. */
export type TfDoor = Door<Place, Float64Array>;

/** `tf.tidy` for a body that returns its tensors in whatever holds them. */
export function scoped<Result>(body: () => Result): Result {
  return tf.tidy(body as never) as Result;
}

export function ints(values: ArrayLike<number>): tf.Tensor1D {
  return tf.tensor1d(Int32Array.from(values), 'int32');
}

/** A column of truth values, one a row. */
export function column(values: ArrayLike<number>): tf.Tensor2D {
  return tf.tensor2d(Uint8Array.from(values), [values.length, 1], 'bool');
}

/** Σ of the elements, in double. */
export function sumOf(values: Float32Array): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum;
}

/** rows[r] += source[r's place] for a target [count, K]: zeros but where rows with an index from 0 on are added. */
export function scattered(source: tf.Tensor2D, indices: Int32Array, count: number): tf.Tensor2D {
  const K = source.shape[1];
  const present = [...indices.keys()].filter((r) => indices[r]! >= 0);
  if (present.length === 0) return tf.zeros([count, K]);
  const rows = present.length === indices.length ? source : tf.gather(source, ints(present));
  const places = tf.reshape(ints(present.map((r) => indices[r]!)), [present.length, 1]);
  return tf.scatterND(places, rows, [count, K]) as tf.Tensor2D;
}

/** source[indices[r]], zeros where the index is −1. */
export function gathered(source: tf.Tensor2D, indices: Int32Array): tf.Tensor2D {
  if (indices.length === 0) return tf.zeros([0, source.shape[1]]);
  const rows = tf.gather(source, ints(indices.map((index) => Math.max(0, index)))) as tf.Tensor2D;
  if (!indices.includes(-1)) return rows;
  return tf.where(column(indices.map((index) => (index < 0 ? 0 : 1))), rows, tf.zerosLike(rows));
}
