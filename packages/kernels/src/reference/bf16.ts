import type { Engine, RealArray } from '../engine.ts';

/**
 * Rounds count elements from `start` on to bfloat16, the upper half of a float32: to the nearest, ties to even; NaN stays NaN. `target` may
 * be `source`.
 */
export function roundToBf16(source: Float32Array, start: number, count: number, target: Float32Array): void {
  const from = new Uint32Array(source.buffer, source.byteOffset, source.length);
  const to = new Uint32Array(target.buffer, target.byteOffset, target.length);
  for (let i = start; i < start + count; i++) {
    const bits = from[i]!;
    const nan = (bits & 0x7fffffff) > 0x7f800000;
    to[i] = nan ? bits | 0x00400000 : (bits + 0x7fff + ((bits >>> 16) & 1)) & 0xffff0000;
  }
}

/** `x` itself; where products are done in bf16, memory of this name that holds its elements start … start + count − 1, rounded, at the same places. */
export function roundedOperand(
  engine: Engine,
  name: string,
  x: RealArray,
  start: number,
  count: number,
): RealArray {
  if (engine.precision !== 'bf16') return x;
  const rounded = engine.scratch(`${name} in bf16`, start + count);
  roundToBf16(x as Float32Array, start, count, rounded as Float32Array);
  return rounded;
}

/** Rounds the first `count` elements where they are, if products are done in bf16. */
export function roundOperand(engine: Engine, x: RealArray, count: number): void {
  if (engine.precision === 'bf16') roundToBf16(x as Float32Array, 0, count, x as Float32Array);
}
