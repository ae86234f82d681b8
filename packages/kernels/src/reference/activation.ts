import type { Activation } from '../backend.ts';
import { hyperbolicTangent, sigmoid } from '../elementary.ts';

/** A squashing function and its derivative, as a function of its value. NaN in, NaN out. */
export interface Squash {
  value(x: number): number;
  slope(y: number): number;
}

export const squashes: Readonly<Record<Activation, Squash>> = {
  tanh: { value: hyperbolicTangent, slope: (y) => 1 - y * y },
  // The derivative at 0 is 0, as in PyTorch. Written so that NaN, which no comparison catches, stays.
  relu: { value: (x) => (x < 0 ? 0 : x), slope: (y) => (y > 0 ? 1 : y === 0 ? 0 : y) },
  sigmoid: { value: sigmoid, slope: (y) => y * (1 - y) },
  softsign: { value: (x) => x / (1 + Math.abs(x)), slope: (y) => (1 - Math.abs(y)) * (1 - Math.abs(y)) },
};
