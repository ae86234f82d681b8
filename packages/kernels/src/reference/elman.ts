import { hyperbolicTangent } from '../elementary.ts';
import type { Cell, Frame } from './cell.ts';

const layout = { kind: 'elman', blocks: 1, input: [{ column: 0, row: 0, count: 1 }] } as const;

/** h = tanh(z), z = U x + W h₋₁ + b_ih + b_hh. */
export const elmanTanh: Cell = {
  ...layout,
  forward(frame) {
    preactivate(frame);
    const { N, H, output, outputAt } = frame;
    for (let i = 0; i < N * H; i++) output[outputAt + i] = hyperbolicTangent(output[outputAt + i]!);
  },
  /** dz = dh (1 − h²). */
  backward({ N, H, gates, gatesAt, output, outputAt, dh }) {
    for (let i = 0; i < N * H; i++) {
      const h = output[outputAt + i]!;
      gates[gatesAt + i] = dh[i]! * (1 - h * h);
      dh[i] = 0;
    }
  },
};

/** h = max(0, z), with derivative 0 at 0 as in PyTorch. */
export const elmanRelu: Cell = {
  ...layout,
  forward(frame) {
    preactivate(frame);
    const { N, H, output, outputAt } = frame;
    // Written so that NaN, which no comparison catches, stays.
    for (let i = 0; i < N * H; i++) if (output[outputAt + i]! < 0) output[outputAt + i] = 0;
  },
  backward({ N, H, gates, gatesAt, output, outputAt, dh }) {
    for (let i = 0; i < N * H; i++) {
      const h = output[outputAt + i]!;
      const slope = h > 0 ? 1 : h === 0 ? 0 : h;
      gates[gatesAt + i] = dh[i]! * slope;
      dh[i] = 0;
    }
  },
};

function preactivate({ N, H, gates, gatesAt, biasIh, biasHh, output, outputAt }: Frame): void {
  for (let n = 0, i = 0; n < N; n++)
    for (let u = 0; u < H; u++, i++) output[outputAt + i] = gates[gatesAt + i]! + biasIh[u]! + biasHh[u]!;
}
