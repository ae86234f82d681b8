import type { Dropout } from '../backend.ts';
import { philox4x32, purposeWord } from '../philox.ts';
import { type Engine, expectNumber, expectSeparate } from './engine.ts';

/** output = input · mask / (1 − rate); a dropped element is multiplied by 0, so that NaN stays. */
export function dropout(engine: Engine, call: Dropout): void {
  const { rate, seed, purpose, step, layer, firstStep = 0 } = call;
  const [T, N, H] = call.input.shape;
  if (call.input.shape.length !== 3 || T === undefined || N === undefined || H === undefined)
    throw new RangeError(
      `Expected [T, N, H] for dropout input but received [${call.input.shape.join(', ')}].`,
    );
  const input = engine.reals(call.input, 'dropout input');
  const output = engine.reals(call.output, 'dropout output', call.input.shape);
  const sequences = call.sequences && engine.ints(call.sequences, 'dropout sequences', [N]);
  expectNumber(rate, 'dropout rate', rate >= 0 && rate < 1, 'at least 0 and below 1');
  if (call.output !== call.input) expectSeparate(call.output, 'dropout output', [call.input]);
  const key = purposeWord(purpose, layer);
  const words = new Uint32Array(4);
  const kept = 1 / (1 - rate);
  let at = 0;
  for (let t = 0; t < T; t++) {
    for (let n = 0; n < N; n++) {
      const sequence = sequences ? sequences[n]! : n;
      for (let u = 0; u < H; u++, at++) {
        if (u % 4 === 0) philox4x32(step, sequence, firstStep + t, u / 4, seed, key, words);
        const dropped = (words[u % 4]! >>> 8) * 2 ** -24 < rate;
        output[at] = input[at]! * (dropped ? 0 : kept);
      }
    }
  }
}
