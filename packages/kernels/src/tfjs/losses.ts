import * as tf from '@tensorflow/tfjs-core';
import type {
  BernoulliCrossEntropy,
  LogSoftmax,
  Softmax,
  SoftmaxBackward,
  SoftmaxCrossEntropy,
  SquaredError,
} from '../backend.ts';
import { checkLogSoftmax, checkLoss } from '../checks/loss.ts';
import {
  type CheckedRowLoss,
  checkBernoulli,
  checkSoftmax,
  checkSoftmaxBackward,
  checkSquaredError,
} from '../checks/row-loss.ts';
import { column, ints, sumOf, type TfDoor } from './context.ts';
import { add, elementsOf, type Place, read, write } from './places.ts';

/** Rows less their largest element, their powers and the sums of these. */
function powersOf(logits: tf.Tensor) {
  const shifted = tf.sub(logits, tf.max(logits, 1, true));
  const powers = tf.exp(shifted);
  return { shifted, powers, sums: tf.sum(powers, 1, true) };
}

/** Mean of −log softmax(logits)[target] and its gradient; the largest logit is subtracted first, rows are summed in double. */
export function softmaxCrossEntropy(door: TfDoor, call: SoftmaxCrossEntropy): void {
  const { rows, V, targets, count, accumulate, loss, correct, losses, dLogits, ...checked } = checkLoss(
    door,
    call,
  );
  const logits = read(checked.logits, [rows, V]);
  const { shifted, powers, sums } = powersOf(logits);
  const known = targets.map((target) => Math.max(0, target));
  const present = column(targets.map((target) => (target < 0 ? 0 : 1)));
  const places = known.map((target, row) => row * V + target);
  const own = tf.reshape(tf.gather(tf.reshape(shifted, [rows * V]), ints(places)), [rows, 1]);
  const values = tf.where(present, tf.sub(tf.log(sums), own), tf.zeros([rows, 1]));
  const total = sumOf(elementsOf(values));
  if (correct) {
    const best = tf.argMax(logits, 1).dataSync();
    const hits = targets.reduce((sum, target, row) => sum + (best[row] === target ? 1 : 0), 0);
    correct[0] = (accumulate ? correct[0]! : 0) + hits;
  }
  if (losses) write(losses, values);
  if (dLogits) {
    const hot = tf.reshape(tf.scatterND(tf.reshape(ints(places), [rows, 1]), tf.ones([rows]), [rows * V]), [
      rows,
      V,
    ]);
    const slope = tf.div(tf.sub(tf.div(powers, sums), hot), count);
    write(dLogits, tf.where(present, slope, tf.zerosLike(slope)));
  }
  loss[0] = (accumulate ? loss[0]! : 0) + total / count;
}

/** output = logits − log Σ exp(logits), row by row. */
export function logSoftmax(door: TfDoor, call: LogSoftmax): void {
  const { rows, V, logits, output } = checkLogSoftmax(door, call);
  const { shifted, sums } = powersOf(read(logits, [rows, V]));
  write(output, tf.sub(shifted, tf.log(sums)));
}

export function softmax(door: TfDoor, call: Softmax): void {
  const { rows, V, logits, output } = checkSoftmax(door, call);
  const { powers, sums } = powersOf(read(logits, [rows, V]));
  write(output, tf.div(powers, sums));
}

export function softmaxBackward(door: TfDoor, call: SoftmaxBackward): void {
  const { rows, V, output, dOutput, dLogits, accumulate } = checkSoftmaxBackward(door, call);
  const y = read(output, [rows, V]);
  const dy = read(dOutput, [rows, V]);
  const gradient = tf.mul(y, tf.sub(dy, tf.sum(tf.mul(y, dy), 1, true)));
  if (accumulate) add(dLogits, gradient);
  else write(dLogits, gradient);
}

/** The sum of `value` over all rows that count, and `slope` as its gradient; rows are summed in double. */
function rowLoss(
  { rows, D, mask, count, accumulate, loss, losses, dPredictions, ...checked }: CheckedRowLoss<Place>,
  value: (x: tf.Tensor, y: tf.Tensor) => tf.Tensor,
  slope: (x: tf.Tensor, y: tf.Tensor) => tf.Tensor,
): void {
  const x = read(checked.predictions, [rows, D]);
  const y = read(checked.targets, [rows, D]);
  const counts = mask && column(mask.map((entry) => (entry === 0 ? 0 : 1)));
  const masked = (values: tf.Tensor) => (counts ? tf.where(counts, values, tf.zerosLike(values)) : values);
  const sums = masked(tf.sum(value(x, y), 1, true));
  const total = sumOf(elementsOf(sums));
  if (losses) write(losses, sums);
  if (dPredictions) write(dPredictions, masked(tf.div(slope(x, y), count)));
  loss[0] = (accumulate ? loss[0]! : 0) + total / count;
}

export function squaredError(door: TfDoor, call: SquaredError): void {
  rowLoss(
    checkSquaredError(door, call),
    (x, y) => tf.square(tf.sub(x, y)),
    (x, y) => tf.mul(tf.sub(x, y), 2),
  );
}

/** max(x, 0) + ln(1 + e^−|x|) − y x. */
export function bernoulliCrossEntropy(door: TfDoor, call: BernoulliCrossEntropy): void {
  rowLoss(
    checkBernoulli(door, call),
    (x, y) => tf.sub(tf.add(tf.relu(x), tf.log1p(tf.exp(tf.neg(tf.abs(x))))), tf.mul(y, x)),
    (x, y) => tf.sub(tf.sigmoid(x), y),
  );
}
