import * as tf from '@tensorflow/tfjs-core';
import type { BatchStatistics } from './batch-statistics.ts';

const epsilon = 1e-5;

/** x̂ and 1 / √(variance + ε), the latter as [N,1] or [1,columns]. */
export interface Normalized {
  readonly value: tf.Tensor;
  readonly inverse: tf.Tensor;
}

/** Which rows are no padding, [N,1], and how many they are; null: all. */
export interface Alive {
  readonly rows: tf.Tensor2D;
  readonly count: number;
}

/** x̂ = (x − mean) / √(variance + ε), for rows of one time step. */
export interface Normalization {
  /** `first`: where the columns of x stand in the running statistics. */
  forward(x: tf.Tensor, first: number, alive: Alive | null): Normalized;
  /** From ∂L/∂x̂, 0 in padding: ∂L/∂x. */
  backward(d: tf.Tensor, normalized: Normalized, alive: Alive | null): tf.Tensor;
}

/** (d − mean(d) − x̂ mean(d x̂)) / √(variance + ε), the means over `axis` of `count` elements. */
function throughMoments(d: tf.Tensor, { value, inverse }: Normalized, axis: 0 | 1, count: number): tf.Tensor {
  const mean = (x: tf.Tensor) => tf.div(tf.sum(x, axis, true), count);
  const slope = tf.mul(value, mean(tf.mul(d, value)));
  return tf.mul(tf.sub(tf.sub(d, mean(d)), slope), inverse);
}

/** Layer normalisation (Ba, Kiros and Hinton 2016): each row by its own mean and variance. */
export const layerNormalization: Normalization = {
  forward(x) {
    const centered = tf.sub(x, tf.mean(x, 1, true));
    const inverse = tf.rsqrt(tf.add(tf.mean(tf.square(centered), 1, true), epsilon));
    return { value: tf.mul(centered, inverse), inverse };
  },
  backward: (d, normalized) => throughMoments(d, normalized, 1, d.shape[1]!),
};

const whereAlive = (alive: Alive | null, x: tf.Tensor) =>
  alive ? tf.where(alive.rows, x, tf.zerosLike(x)) : x;

/**
 * Batch normalisation of one time step (Cooijmans et al. 2016): each column by the mean and variance of its rows that are not padding, which move the
 * running ones; or, outside of training, by the running ones.
 */
export function batchNormalization(statistics: BatchStatistics): Normalization {
  const countOf = (x: tf.Tensor, alive: Alive | null) => Math.max(1, alive ? alive.count : x.shape[0]!);
  return {
    forward(x, first, alive) {
      if (!statistics.training) {
        const { mean, variance } = statistics.running(first, x.shape[1]!);
        const inverse = tf.rsqrt(tf.add(variance, epsilon));
        return { value: tf.mul(tf.sub(x, mean), inverse), inverse };
      }
      const mean = tf.div(tf.sum(whereAlive(alive, x), 0, true), countOf(x, alive));
      const centered = tf.sub(x, mean);
      const squares = whereAlive(alive, tf.square(centered));
      const variance = tf.div(tf.sum(squares, 0, true), countOf(x, alive));
      statistics.see(mean, variance);
      const inverse = tf.rsqrt(tf.add(variance, epsilon));
      return { value: tf.mul(centered, inverse), inverse };
    },
    backward(d, normalized, alive) {
      if (!statistics.training) return tf.mul(d, normalized.inverse);
      return whereAlive(alive, throughMoments(d, normalized, 0, countOf(d, alive)));
    },
  };
}
