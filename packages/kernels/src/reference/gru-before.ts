import { hyperbolicTangent, sigmoid } from '../elementary.ts';
import type { Cell, Frame } from './cell.ts';

/**
 * Gated recurrent unit with the reset before the product (Cho et al. 2014): h = (1 − z) m n + z h₋₁ with n = tanh(U_n x + b_in + W_n s + b_hn),
 * s = r h₋₁ and m the mask of recurrent dropout, 1 without it. Its columns are r, z, s, n.
 */
export const gruBefore: Cell = {
  kind: 'gru',
  blocks: 4,
  input: [
    { column: 0, row: 0, count: 2 },
    { column: 3, row: 2, count: 1 },
  ],
  hidden: [
    { column: 0, row: 0, count: 2, source: null },
    { column: 3, row: 2, count: 1, source: 2 },
  ],
  reset({ N, H, gates, gatesAt, biasIh, biasHh, previous, previousAt }: Frame) {
    for (let n = 0; n < N; n++) {
      for (let u = 0; u < H; u++) {
        const at = gatesAt + n * 4 * H + u;
        const r = sigmoid(gates[at]! + biasIh[u]! + biasHh[u]!);
        gates[at] = r;
        gates[at + H] = sigmoid(gates[at + H]! + biasIh[H + u]! + biasHh[H + u]!);
        gates[at + 2 * H] = r * previous[previousAt + n * H + u]!;
      }
    }
  },
  forward({ N, H, gates, gatesAt, biasIh, biasHh, previous, previousAt, output, outputAt, mask }) {
    for (let n = 0; n < N; n++) {
      for (let u = 0; u < H; u++) {
        const at = gatesAt + n * 4 * H + u;
        const unit = n * H + u;
        const z = gates[at + H]!;
        const candidate = hyperbolicTangent(gates[at + 3 * H]! + biasIh[2 * H + u]! + biasHh[2 * H + u]!);
        gates[at + 3 * H] = candidate;
        const kept = mask ? mask[unit]! * candidate : candidate;
        output[outputAt + unit] = (1 - z) * kept + z * previous[previousAt + unit]!;
      }
    }
  },
  /** dz = dh (h₋₁ − m n); dn' = dh (1 − z) m (1 − n²); dh₋₁ = dh z, and the rest through s and W. */
  backward({ N, H, gates, gatesAt, previous, previousAt, dh, mask }) {
    for (let n = 0; n < N; n++) {
      for (let u = 0; u < H; u++) {
        const at = gatesAt + n * 4 * H + u;
        const unit = n * H + u;
        const z = gates[at + H]!;
        const candidate = gates[at + 3 * H]!;
        const m = mask ? mask[unit]! : 1;
        const dhUnit = dh[unit]!;
        gates[at + H] = dhUnit * (previous[previousAt + unit]! - m * candidate) * z * (1 - z);
        gates[at + 3 * H] = dhUnit * (1 - z) * m * (1 - candidate * candidate);
        dh[unit] = dhUnit * z;
      }
    }
  },
  /** dr = ds h₋₁; dh₋₁ += ds r. */
  resetBackward({ N, H, gates, gatesAt, previous, previousAt, dh }: Frame, dSource) {
    for (let n = 0; n < N; n++) {
      for (let u = 0; u < H; u++) {
        const at = gatesAt + n * 4 * H + u;
        const unit = n * H + u;
        const r = gates[at]!;
        gates[at] = dSource[unit]! * previous[previousAt + unit]! * r * (1 - r);
        dh[unit] = dh[unit]! + dSource[unit]! * r;
      }
    }
  },
};
