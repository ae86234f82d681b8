import type { CheckedKey } from '../checks/recurrent-options.ts';
import type { RealArray } from '../engine.ts';
import { philox4x32, purposeWord } from '../philox.ts';
import type { Frame } from './cell.ts';

const words = new Uint32Array(4);

/** out[n, u] ← `hit` where the draw of (t, n, u) is below `rate`, else `miss`. */
export function drawMask(
  out: RealArray,
  N: number,
  H: number,
  key: CheckedKey,
  purpose: number,
  t: number,
  rate: number,
  hit: number,
  miss: number,
): void {
  const word = purposeWord(purpose, key.layer);
  for (let n = 0, i = 0; n < N; n++) {
    const sequence = key.sequences ? key.sequences[n]! : n;
    for (let u = 0; u < H; u++, i++) {
      if (u % 4 === 0) philox4x32(key.step, sequence, t, u / 4, key.seed, word, words);
      out[i] = (words[u % 4]! >>> 8) * 2 ** -24 < rate ? hit : miss;
    }
  }
}

/**
 * Zoneout of one state: `share` [N,H] is how much of the old value stays, 0 or 1 in training and the rate at inference; `carry` [N,H] is scratch
 * for the gradient that goes straight to the old value.
 */
export interface Zoneout {
  readonly share: RealArray;
  readonly carry: RealArray;
}

/** fresh ← share · old + (1 − share) · fresh. */
export function zoneout(
  { share }: Zoneout,
  size: number,
  old: RealArray,
  oldAt: number,
  fresh: RealArray,
  at: number,
) {
  for (let i = 0; i < size; i++)
    fresh[at + i] = share[i]! * old[oldAt + i]! + (1 - share[i]!) * fresh[at + i]!;
}

/** Divides a state's gradient between the old value (kept in `carry` until `returnCarry`) and the new one, in place. */
export function takeCarry({ share, carry }: Zoneout, size: number, gradient: RealArray): void {
  for (let i = 0; i < size; i++) {
    carry[i] = share[i]! * gradient[i]!;
    gradient[i] = (1 - share[i]!) * gradient[i]!;
  }
}

export function returnCarry({ carry }: Zoneout, size: number, gradient: RealArray): void {
  for (let i = 0; i < size; i++) gradient[i] = gradient[i]! + carry[i]!;
}

/** The random parts of a layer, drawn step by step. */
export interface Noise {
  readonly hidden: Zoneout | null;
  readonly cell: Zoneout | null;
  /** Draws the masks of step t, also the frame's own. */
  go(t: number, frame: Frame): void;
}
