import * as tf from '@tensorflow/tfjs-core';
import type { Activation } from '../backend.ts';

/** A squashing function and its derivative, as a function of its value. */
export interface Squash {
  value(x: tf.Tensor): tf.Tensor;
  slope(y: tf.Tensor): tf.Tensor;
}

/** y (1 − y). */
export const sigmoidSlope = (y: tf.Tensor) => tf.mul(y, tf.sub(1, y));

/** 1 − y². */
export const tanhSlope = (y: tf.Tensor) => tf.sub(1, tf.square(y));

export const squashes: Readonly<Record<Activation, Squash>> = {
  tanh: { value: tf.tanh, slope: tanhSlope },
  // The derivative at 0 is 0, as in PyTorch. Written so that NaN, which no comparison catches, stays.
  relu: {
    value: (x) => tf.where(tf.less(x, 0), tf.zerosLike(x), x),
    slope: (y) => tf.where(tf.greater(y, 0), tf.onesLike(y), y),
  },
  sigmoid: { value: tf.sigmoid, slope: sigmoidSlope },
  softsign: {
    value: (x) => tf.div(x, tf.add(tf.abs(x), 1)),
    slope: (y) => tf.square(tf.sub(1, tf.abs(y))),
  },
};
