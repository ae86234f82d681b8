import * as tf from '@tensorflow/tfjs-core';
import type { RecurrentLayer } from '../backend.ts';
import { sigmoidSlope, squashes, tanhSlope } from './activation.ts';
import type { Cell } from './cell.ts';
import { lstm } from './lstm.ts';

/** h = φ(U x + W h₋₁ + b_ih + b_hh); without recurrence W h₋₁ is missing. */
function createElman(isRecurrent: boolean): Cell<{ y: tf.Tensor }> {
  return {
    ranges: isRecurrent ? [[0, 1]] : [],
    forward({ layer, weights, input, h, hidden }) {
      const sum = isRecurrent ? tf.add(input, hidden(0, h)) : input;
      const y = squashes[layer.activation ?? 'tanh'].value(
        tf.add(sum, tf.add(weights.biasIh, weights.biasHh)),
      );
      return { h: y, c: null, kept: { y } };
    },
    backward({ layer, kept: { y }, dh, hidden }) {
      const dz = tf.mul(dh, squashes[layer.activation ?? 'tanh'].slope(y));
      if (!isRecurrent) return { dInput: dz, dHidden: null, dh: tf.zerosLike(dh), dc: null };
      return { dInput: dz, dHidden: dz, dh: hidden(0, dz), dc: null };
    },
  };
}

const blocks = (x: tf.Tensor, count: number) => tf.split(x, count, 1);
const times = (mask: tf.Tensor | null, x: tf.Tensor) => (mask ? tf.mul(mask, x) : x);
/** (1 − z) x + z y. */
const mix = (z: tf.Tensor, x: tf.Tensor, y: tf.Tensor) => tf.add(tf.mul(tf.sub(1, z), x), tf.mul(z, y));

interface GruKept {
  readonly h: tf.Tensor;
  readonly r: tf.Tensor;
  readonly z: tf.Tensor;
  readonly n: tf.Tensor;
}

/** Of z and of the candidate's sum: dz = dh (h₋₁ − m n) z (1 − z); dn = dh (1 − z) m (1 − n²). */
function candidateGradients({ h, z, n }: GruKept, dh: tf.Tensor, mask: tf.Tensor | null) {
  return {
    dz: tf.mul(tf.mul(dh, tf.sub(h, times(mask, n))), sigmoidSlope(z)),
    dn: tf.mul(times(mask, tf.mul(dh, tf.sub(1, z))), tanhSlope(n)),
  };
}

/** As in PyTorch, reset after the product: n = tanh(a_n + b_in + r q), q = W_n h₋₁ + b_hn; h = (1 − z) m n + z h₋₁. */
const gru: Cell<GruKept & { readonly q: tf.Tensor }> = {
  ranges: [[0, 3]],
  forward({ weights, input, h, mask, hidden }) {
    const [ar, az, an] = blocks(tf.add(input, weights.biasIh), 3) as [tf.Tensor, tf.Tensor, tf.Tensor];
    const [pr, pz, q] = blocks(tf.add(hidden(0, h), weights.biasHh), 3) as [tf.Tensor, tf.Tensor, tf.Tensor];
    const r = tf.sigmoid(tf.add(ar, pr));
    const z = tf.sigmoid(tf.add(az, pz));
    const n = tf.tanh(tf.add(an, tf.mul(r, q)));
    return { h: mix(z, times(mask, n), h), c: null, kept: { h, r, z, n, q } };
  },
  backward({ kept, mask, dh, hidden }) {
    const { r, z, q } = kept;
    const { dz, dn } = candidateGradients(kept, dh, mask);
    const dr = tf.mul(tf.mul(dn, q), sigmoidSlope(r));
    const dHidden = tf.concat([dr, dz, tf.mul(dn, r)], 1);
    return {
      dInput: tf.concat([dr, dz, dn], 1),
      dHidden,
      dh: tf.add(tf.mul(dh, z), hidden(0, dHidden)),
      dc: null,
    };
  },
};

/** Reset before the product (Cho et al. 2014): n = tanh(a_n + W_n (r h₋₁) + b_in + b_hn). */
const gruBefore: Cell<GruKept> = {
  ranges: [
    [0, 2],
    [2, 1],
  ],
  forward({ layer, weights, input, h, mask, hidden }) {
    const H = layer.hiddenSize;
    const sum = tf.add(input, tf.add(weights.biasIh, weights.biasHh));
    const [early, an] = tf.split(sum, [2 * H, H], 1) as [tf.Tensor, tf.Tensor];
    const [r, z] = blocks(tf.sigmoid(tf.add(early, hidden(0, h))), 2) as [tf.Tensor, tf.Tensor];
    const n = tf.tanh(tf.add(an, hidden(1, tf.mul(r, h))));
    return { h: mix(z, times(mask, n), h), c: null, kept: { h, r, z, n } };
  },
  backward({ kept, mask, dh, hidden }) {
    const { h, r, z } = kept;
    const { dz, dn } = candidateGradients(kept, dh, mask);
    const dSource = hidden(1, dn);
    const dr = tf.mul(tf.mul(dSource, h), sigmoidSlope(r));
    const early = tf.concat([dr, dz], 1);
    const dInput = tf.concat([early, dn], 1);
    const direct = tf.add(tf.mul(dh, z), tf.mul(dSource, r));
    return { dInput, dHidden: dInput, dh: tf.add(direct, hidden(0, early)), dc: null };
  },
};

export function cellOf(layer: RecurrentLayer): Cell {
  if (layer.cell === 'lstm') return lstm as Cell;
  if (layer.cell === 'gru') return (layer.reset === 'before' ? gruBefore : gru) as Cell;
  return createElman(layer.recurrent !== false) as Cell;
}
