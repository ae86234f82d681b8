import * as tf from '@tensorflow/tfjs-core';
import type { AdagradStep, AdamStep, RmspropStep, SgdStep } from '../backend.ts';
import { checkAdagrad, checkAdam, checkRmsprop, checkSgd } from '../checks/optimizer.ts';
import type { TfDoor } from './context.ts';
import { type Place, read, write } from './places.ts';

const flat = (place: Place) => read(place, [place.length]);

/** a · x + b · y. */
const mix = (a: number, x: tf.Tensor, b: number, y: tf.Tensor) => tf.add(tf.mul(x, a), tf.mul(y, b));

/** The gradient with the weight decay in it. */
function decayed({ p, g, weightDecay }: { p: Place; g: Place; weightDecay: number }): tf.Tensor {
  return weightDecay === 0 ? flat(g) : mix(1, flat(g), weightDecay, flat(p));
}

export function sgdStep(door: TfDoor, call: SgdStep): void {
  const { learningRate, momentum, nesterov } = call;
  for (const entry of checkSgd(door, call))
    tf.tidy(() => {
      const { p, velocity } = entry;
      const d = decayed(entry);
      let change = d;
      if (velocity) {
        const b = mix(momentum, flat(velocity), 1, d);
        write(velocity, b);
        change = nesterov ? mix(1, d, momentum, b) : b;
      }
      write(p, mix(1, flat(p), -learningRate, change));
    });
}

export function adamStep(door: TfDoor, call: AdamStep): void {
  const { beta1, beta2, epsilon } = call;
  const { rate, root, entries } = checkAdam(door, call);
  for (const entry of entries())
    tf.tidy(() => {
      const { p, m, v, kept } = entry;
      if (kept !== 1) write(p, tf.mul(flat(p), kept));
      const d = decayed(entry);
      const first = mix(beta1, flat(m), 1 - beta1, d);
      const second = mix(beta2, flat(v), 1 - beta2, tf.square(d));
      write(m, first);
      write(v, second);
      const change = tf.div(first, tf.add(tf.div(tf.sqrt(second), root), epsilon));
      write(p, mix(1, flat(p), -rate, change));
    });
}

export function rmspropStep(door: TfDoor, call: RmspropStep): void {
  const { learningRate, alpha, epsilon, momentum } = call;
  for (const entry of checkRmsprop(door, call))
    tf.tidy(() => {
      const { p, v, velocity } = entry;
      const d = decayed(entry);
      const square = mix(alpha, flat(v), 1 - alpha, tf.square(d));
      write(v, square);
      let change: tf.Tensor = tf.div(d, tf.add(tf.sqrt(square), epsilon));
      if (velocity) {
        change = mix(momentum, flat(velocity), 1, change);
        write(velocity, change);
      }
      write(p, mix(1, flat(p), -learningRate, change));
    });
}

export function adagradStep(door: TfDoor, call: AdagradStep): void {
  const { learningRate, epsilon } = call;
  for (const entry of checkAdagrad(door, call))
    tf.tidy(() => {
      const { p, sum } = entry;
      const d = decayed(entry);
      const total = tf.add(flat(sum), tf.square(d));
      write(sum, total);
      write(p, mix(1, flat(p), -learningRate, tf.div(d, tf.add(tf.sqrt(total), epsilon))));
    });
}
