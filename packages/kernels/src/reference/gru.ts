import { hyperbolicTangent, sigmoid } from '../elementary.ts';
import type { Cell } from './cell.ts';

/**
 * Gated recurrent unit as in PyTorch (reset after the product): h = (1 − z) m n + z h₋₁ with n = tanh(a + r q), q = W_n h₋₁ + b_hn,
 * a = U_n x + b_in and m the mask of recurrent dropout, 1 without it. Its columns are r, z, q, n: the recurrent weights' three blocks are
 * the first three, the input's r, z and n are the first two and the last.
 */
export const gru: Cell = {
  kind: 'gru',
  blocks: 4,
  input: [
    { column: 0, row: 0, count: 2 },
    { column: 3, row: 2, count: 1 },
  ],
  hidden: [{ column: 0, row: 0, count: 3, source: null }],
  forward({ N, H, gates, gatesAt, biasIh, biasHh, previous, previousAt, output, outputAt, mask }) {
    for (let n = 0; n < N; n++) {
      for (let u = 0; u < H; u++) {
        const at = gatesAt + n * 4 * H + u;
        const unit = n * H + u;
        const r = sigmoid(gates[at]! + biasIh[u]! + biasHh[u]!);
        const z = sigmoid(gates[at + H]! + biasIh[H + u]! + biasHh[H + u]!);
        const q = gates[at + 2 * H]! + biasHh[2 * H + u]!;
        const candidate = hyperbolicTangent(gates[at + 3 * H]! + biasIh[2 * H + u]! + r * q);
        gates[at] = r;
        gates[at + H] = z;
        gates[at + 2 * H] = q;
        gates[at + 3 * H] = candidate;
        const kept = mask ? mask[unit]! * candidate : candidate;
        output[outputAt + unit] = (1 - z) * kept + z * previous[previousAt + unit]!;
      }
    }
  },
  /** dz = dh (h₋₁ − m n); dn = dh (1 − z) m; dr = dn' q and dq = dn' r with dn' = dn (1 − n²); dh₋₁ = dh z, and the rest through W. */
  backward({ N, H, gates, gatesAt, previous, previousAt, dh, mask }) {
    for (let n = 0; n < N; n++) {
      for (let u = 0; u < H; u++) {
        const at = gatesAt + n * 4 * H + u;
        const unit = n * H + u;
        const r = gates[at]!;
        const z = gates[at + H]!;
        const q = gates[at + 2 * H]!;
        const candidate = gates[at + 3 * H]!;
        const m = mask ? mask[unit]! : 1;
        const dhUnit = dh[unit]!;
        const dCandidate = dhUnit * (1 - z) * m * (1 - candidate * candidate);
        gates[at] = dCandidate * q * r * (1 - r);
        gates[at + H] = dhUnit * (previous[previousAt + unit]! - m * candidate) * z * (1 - z);
        gates[at + 2 * H] = dCandidate * r;
        gates[at + 3 * H] = dCandidate;
        dh[unit] = dhUnit * z;
      }
    }
  },
};
