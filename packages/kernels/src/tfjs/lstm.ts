import * as tf from '@tensorflow/tfjs-core';
import { sigmoidSlope, squashes, tanhSlope } from './activation.ts';
import type { Cell } from './cell.ts';
import type { Normalized } from './normalization.ts';

interface LstmKept {
  readonly before: tf.Tensor;
  readonly i: tf.Tensor;
  readonly f: tf.Tensor;
  readonly g: tf.Tensor;
  readonly o: tf.Tensor;
  /** c_t before zoneout. */
  readonly fresh: tf.Tensor;
  /** tanh(ĉ). */
  readonly squashed: tf.Tensor;
  readonly normalized: Normalized | null;
}

type Four = [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];

const times = (mask: tf.Tensor | null, x: tf.Tensor) => (mask ? tf.mul(mask, x) : x);
const peepholes = (weights: tf.Tensor) => tf.split(weights, 3, 0) as [tf.Tensor, tf.Tensor, tf.Tensor];

/**
 * Long short-term memory as in PyTorch, gates i, f, g, o, with its options: i, f see c₋₁ through the peepholes p, o sees c; g = κ(z_g), m its mask of
 * recurrent dropout; c = f c₋₁ + i m g; h = o tanh(ĉ), ĉ being c, or c normalised and scaled.
 */
export const lstm: Cell<LstmKept> = {
  ranges: [[0, 4]],
  forward({ layer, weights, input, h, c, mask, hidden, normalizeCell }) {
    const before = c!;
    const p = weights.peephole && peepholes(weights.peephole);
    const sum = tf.add(tf.add(input, hidden(0, h)), tf.add(weights.biasIh, weights.biasHh));
    const [zi, zf, zg, zo] = tf.split(sum, 4, 1) as Four;
    const i = tf.sigmoid(p ? tf.add(zi, tf.mul(p[0], before)) : zi);
    const f = tf.sigmoid(p ? tf.add(zf, tf.mul(p[1], before)) : zf);
    const g = squashes[layer.candidateActivation ?? 'tanh'].value(zg);
    const fresh = tf.add(tf.mul(f, before), tf.mul(i, times(mask, g)));
    const o = tf.sigmoid(p ? tf.add(zo, tf.mul(p[2], fresh)) : zo);
    const normalized = normalizeCell(fresh);
    const inner = normalized ? tf.add(tf.mul(normalized.value, weights.gainCell!), weights.biasCell!) : fresh;
    const squashed = tf.tanh(inner);
    const kept = { before, i, f, g, o, fresh, squashed, normalized };
    return { h: tf.mul(o, squashed), c: fresh, kept };
  },
  /**
   * dz_o = dh tanh(ĉ) o (1 − o); dĉ = dh o (1 − tanh²(ĉ)); dc += ∂ĉ/∂c dĉ + p_o dz_o; di = dc m g; df = dc c₋₁; dg = dc m i; each times its gate's slope;
   * dc₋₁ = dc f + p_i dz_i + p_f dz_f; dp = Σ dz c.
   */
  backward({ layer, weights, kept, mask, dh, dc, hidden, normalizeCell }) {
    const { before, i, f, g, o, fresh, squashed, normalized } = kept;
    const p = weights.peephole && peepholes(weights.peephole);
    const dzo = tf.mul(tf.mul(dh, squashed), sigmoidSlope(o));
    const dInner = tf.mul(tf.mul(dh, o), tanhSlope(squashed));
    const dFresh = normalized ? normalizeCell(tf.mul(dInner, weights.gainCell!), normalized) : dInner;
    let dCell = tf.add(dc!, dFresh);
    if (p) dCell = tf.add(dCell, tf.mul(dzo, p[2]));
    const dzi = tf.mul(tf.mul(dCell, times(mask, g)), sigmoidSlope(i));
    const dzf = tf.mul(tf.mul(dCell, before), sigmoidSlope(f));
    const slope = squashes[layer.candidateActivation ?? 'tanh'].slope(g);
    const dzg = tf.mul(tf.mul(dCell, times(mask, i)), slope);
    let dBefore = tf.mul(dCell, f);
    if (p) dBefore = tf.add(dBefore, tf.add(tf.mul(dzi, p[0]), tf.mul(dzf, p[1])));
    const dz = tf.concat([dzi, dzf, dzg, dzo], 1);
    const total = (x: tf.Tensor) => tf.sum(x, 0, true);
    return {
      dInput: dz,
      dHidden: dz,
      dh: hidden(0, dz),
      dc: dBefore,
      ...(p && {
        peephole: tf.concat([
          total(tf.mul(dzi, before)),
          total(tf.mul(dzf, before)),
          total(tf.mul(dzo, fresh)),
        ]),
      }),
      ...(normalized && {
        gainCell: total(tf.mul(dInner, normalized.value)),
        biasCell: total(dInner),
      }),
    };
  },
};
