import type { Dropout } from '../backend.ts';
import { checkDropout } from '../checks/dropout.ts';
import type { Engine } from '../engine.ts';
import { philox4x32, purposeWord } from '../philox.ts';

/** output = input · mask / (1 − rate); a dropped element is multiplied by 0, so that NaN stays. */
export function dropout(engine: Engine, call: Dropout): void {
  const { T, N, H, input, output, sequences } = checkDropout(engine, call);
  const { rate, seed, purpose, step, layer, firstStep = 0 } = call;
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
