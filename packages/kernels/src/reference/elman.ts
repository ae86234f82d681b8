import type { Activation } from '../backend.ts';
import { type Squash, squashes } from './activation.ts';
import type { Cell } from './cell.ts';

/** h = φ(z), z = U x + W h₋₁ + b_ih + b_hh. The gates keep φ(z), since zoneout may change h. */
function createElman({ value, slope }: Squash): Cell {
  return {
    kind: 'elman',
    blocks: 1,
    input: [{ column: 0, row: 0, count: 1 }],
    hidden: [{ column: 0, row: 0, count: 1, source: null }],
    forward({ N, H, gates, gatesAt, biasIh, biasHh, output, outputAt }) {
      for (let n = 0, i = 0; n < N; n++)
        for (let u = 0; u < H; u++, i++) {
          const h = value(gates[gatesAt + i]! + biasIh[u]! + biasHh[u]!);
          gates[gatesAt + i] = h;
          output[outputAt + i] = h;
        }
    },
    /** dz = dh φ'(z). */
    backward({ N, H, gates, gatesAt, dh }) {
      for (let i = 0; i < N * H; i++) {
        gates[gatesAt + i] = dh[i]! * slope(gates[gatesAt + i]!);
        dh[i] = 0;
      }
    },
  };
}

export const elman: Readonly<Record<Activation, Cell>> = {
  tanh: createElman(squashes.tanh),
  relu: createElman(squashes.relu),
  sigmoid: createElman(squashes.sigmoid),
  softsign: createElman(squashes.softsign),
};
