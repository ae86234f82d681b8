import * as tf from '@tensorflow/tfjs-core';
import type { Region } from '../engine.ts';

/** Memory of a real tensor and all its views, flat. TensorFlow.js's tensors never change, so whoever writes puts another in its place. */
interface Memory {
  /** null: of no elements, or released. */
  values: tf.Tensor1D | null;
}

/** Elements of a real tensor or of one of its views. */
export interface Place extends Region {
  readonly memory: Memory;
  readonly first: number;
}

function placeOf(memory: Memory, first: number, length: number): Place {
  return { memory, first, length, byteOffset: 4 * first, byteLength: 4 * length };
}

/** Zeros. */
export function createPlace(length: number): Place {
  return placeOf({ values: length === 0 ? null : tf.zeros([length]) }, 0, length);
}

export function freePlace({ memory }: Place): void {
  memory.values?.dispose();
  memory.values = null;
}

export function partOf({ memory, first }: Place, offset: number, length: number): Place {
  return placeOf(memory, first + offset, length);
}

/** The elements in a shape of as many. The caller disposes them, or a `tf.tidy` around it. */
export function read(place: Place, shape: number[]): tf.Tensor {
  const { values } = place.memory;
  if (values === null || place.length === 0) return tf.zeros(shape);
  if (place.length === values.size) return tf.reshape(values, shape);
  return tf.tidy(() => tf.reshape(tf.slice(values, [place.first], [place.length]), shape));
}

/** Replaces the elements; those of a part stand in a new whole afterwards. */
export function write({ memory, first, length }: Place, elements: tf.Tensor): void {
  const before = memory.values;
  if (before === null || length === 0) return;
  memory.values = tf.tidy(() => {
    const own = tf.reshape(elements, [length]) as tf.Tensor1D;
    const rest = first + length;
    if (length === before.size) return tf.keep(own);
    const parts = [
      tf.slice(before, [0], [first]),
      own,
      tf.slice(before, [rest], [before.size - rest]),
    ].filter(({ size }) => size > 0);
    return tf.keep(tf.concat(parts));
  });
  before.dispose();
}

/** place += elements. */
export function add(place: Place, elements: tf.Tensor): void {
  tf.tidy(() => write(place, tf.add(read(place, [place.length]), tf.reshape(elements, [place.length]))));
}

/** The elements as an array of JavaScript's own. Waits for the device. */
export function elementsOf(tensor: tf.Tensor): Float32Array {
  return tensor.dataSync<'float32'>();
}
