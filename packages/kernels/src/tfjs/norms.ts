import * as tf from '@tensorflow/tfjs-core';
import type { Tensor } from '../backend.ts';
import { columnsOf, expectNumber } from '../engine.ts';
import { sumOf, type TfDoor } from './context.ts';
import { elementsOf, read, write } from './places.ts';

/** √Σ x² over all tensors: a row at a time on the device, rows in double on the host, so that large tensors lose little. */
export function globalNorm(door: TfDoor, call: { tensors: readonly Tensor[]; norm: Tensor }): void {
  const sums = call.tensors.map((tensor) => {
    const x = door.reals(tensor, 'norm tensor');
    const columns = Math.max(1, columnsOf(tensor));
    return tf.tidy(() => tf.sum(tf.square(read(x, [x.length / columns, columns])), 1));
  });
  const norm = door.doubles(call.norm, 'norm');
  const present = sums.filter(({ size }) => size > 0);
  norm[0] = present.length === 0 ? 0 : Math.sqrt(sumOf(elementsOf(tf.concat(present))));
}

export function clipByNorm(
  door: TfDoor,
  call: { tensors: readonly Tensor[]; norm: Tensor; maximum: number },
): void {
  expectNumber(call.maximum, 'clip norm', call.maximum > 0, 'a number above 0');
  const factor = call.maximum / (door.doubles(call.norm, 'norm')[0]! + 1e-6);
  // False for NaN, which then reaches every gradient.
  if (factor >= 1) return;
  for (const tensor of call.tensors) {
    const x = door.reals(tensor, 'clip tensor');
    write(x, tf.mul(read(x, [x.length]), factor));
  }
}

export function clipByValue(door: TfDoor, call: { tensors: readonly Tensor[]; maximum: number }): void {
  const { maximum } = call;
  expectNumber(maximum, 'clip value', maximum > 0, 'a number above 0');
  for (const tensor of call.tensors) {
    const place = door.reals(tensor, 'clip tensor');
    const x = read(place, [place.length]);
    const within = tf.where(tf.less(x, -maximum), tf.fill(x.shape, -maximum), x);
    write(place, tf.where(tf.greater(x, maximum), tf.fill(x.shape, maximum), within));
  }
}

export function countNonFinite(door: TfDoor, call: { tensors: readonly Tensor[]; count: Tensor }): void {
  let count = 0;
  for (const tensor of call.tensors) {
    if (tensor.type === 'double') {
      if (!Number.isFinite(door.doubles(tensor, 'checked')[0])) count++;
      continue;
    }
    const x = door.reals(tensor, 'checked');
    const others = tf.sum(tf.cast(tf.logicalNot(tf.isFinite(read(x, [x.length]))), 'float32')).dataSync()[0]!;
    count += others;
  }
  door.doubles(call.count, 'count')[0] = count;
}
