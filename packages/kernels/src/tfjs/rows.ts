import * as tf from '@tensorflow/tfjs-core';
import type {
  Concatenate,
  Dropout,
  GatherRows,
  ScaleRows,
  ScatterAddRows,
  Split,
  Tanh,
  TanhBackward,
} from '../backend.ts';
import { checkDropout } from '../checks/dropout.ts';
import {
  checkConcatenate,
  checkGather,
  checkScaleRows,
  checkScatter,
  checkSplit,
  checkTanh,
  checkTanhBackward,
} from '../checks/rows.ts';
import { drawMask } from '../reference/noise.ts';
import { gathered, scattered, type TfDoor } from './context.ts';
import { add, type Place, read, write } from './places.ts';

const matrix = (place: Place, columns: number) =>
  read(place, [place.length / columns, columns]) as tf.Tensor2D;

export function gatherRows(door: TfDoor, call: GatherRows): void {
  const { K, source, indices, output } = checkGather(door, call);
  if (source instanceof Int32Array || output instanceof Int32Array)
    (output as Int32Array).set(indices.map((index) => (index < 0 ? 0 : (source as Int32Array)[index]!)));
  else write(output, gathered(matrix(source, K), indices));
}

export function scatterAddRows(door: TfDoor, call: ScatterAddRows): void {
  const { K, count, source, indices, target } = checkScatter(door, call);
  add(target, scattered(matrix(source, K), indices, count));
}

export function concatenate(door: TfDoor, call: Concatenate): void {
  const { whole, parts } = checkConcatenate(door, call);
  write(
    whole,
    tf.concat(
      parts.map(({ values, columns }) => matrix(values, columns)),
      1,
    ),
  );
}

export function split(door: TfDoor, call: Split): void {
  const { rows, columns, whole, parts } = checkSplit(door, call);
  const all = matrix(whole, columns);
  let at = 0;
  for (const { values, columns: width } of parts) {
    const part = tf.slice(all, [0, at], [rows, width]);
    if (call.accumulate) add(values, part);
    else write(values, part);
    at += width;
  }
}

export function scaleRows(door: TfDoor, call: ScaleRows): void {
  const { K, input, factors, output } = checkScaleRows(door, call);
  write(output, tf.mul(matrix(input, K), matrix(factors, 1)));
}

export function tanh(door: TfDoor, call: Tanh): void {
  const { input, output } = checkTanh(door, call);
  write(output, tf.tanh(read(input, [input.length])));
}

/** dx (1 − y²). */
export function tanhBackward(door: TfDoor, call: TanhBackward): void {
  const { output, dOutput, dInput } = checkTanhBackward(door, call);
  const slope = tf.sub(1, tf.square(read(output, [output.length])));
  write(dInput, tf.mul(read(dOutput, [dOutput.length]), slope));
}

/** output = input · mask / (1 − rate), the mask drawn on the host. */
export function dropout(door: TfDoor, call: Dropout): void {
  const { T, N, H, input, output, sequences } = checkDropout(door, call);
  const { rate, purpose, firstStep = 0, variational = false } = call;
  const unit = N * H;
  const steps = variational ? Math.min(1, T) : T;
  const mask = new Float32Array(steps * unit);
  for (let t = 0; t < steps; t++) {
    const place = variational ? 0 : firstStep + t;
    const part = mask.subarray(t * unit, (t + 1) * unit);
    drawMask(part, N, H, { ...call, sequences }, purpose, place, rate, 0, 1 / (1 - rate));
  }
  write(output, tf.mul(read(input, [T, unit]), tf.tensor2d(mask, [steps, unit])));
}
