import { hyperbolicTangent, sigmoid } from '../elementary.ts';
import type { Cell } from './cell.ts';

/** Long short-term memory as in PyTorch, gates i, f, g, o: c = f c₋₁ + i g, h = o tanh(c). */
export const lstm: Cell = {
  kind: 'lstm',
  blocks: 4,
  input: [{ column: 0, row: 0, count: 4 }],
  hidden: [{ column: 0, row: 0, count: 4, source: null }],
  forward(frame) {
    const { N, H, gates, gatesAt, biasIh, biasHh, output, outputAt, cells, cellsPreviousAt, cellsAt } = frame;
    for (let n = 0; n < N; n++) {
      for (let u = 0; u < H; u++) {
        const at = gatesAt + n * 4 * H + u;
        const i = sigmoid(gates[at]! + biasIh[u]! + biasHh[u]!);
        const f = sigmoid(gates[at + H]! + biasIh[H + u]! + biasHh[H + u]!);
        const g = hyperbolicTangent(gates[at + 2 * H]! + biasIh[2 * H + u]! + biasHh[2 * H + u]!);
        const o = sigmoid(gates[at + 3 * H]! + biasIh[3 * H + u]! + biasHh[3 * H + u]!);
        const c = f * cells[cellsPreviousAt + n * H + u]! + i * g;
        gates[at] = i;
        gates[at + H] = f;
        gates[at + 2 * H] = g;
        gates[at + 3 * H] = o;
        cells[cellsAt + n * H + u] = c;
        output[outputAt + n * H + u] = o * hyperbolicTangent(c);
      }
    }
  },
  /** do = dh tanh(c); dc += dh o (1 − tanh²(c)); di = dc g; df = dc c₋₁; dg = dc i; dc₋₁ = dc f; each times its gate's slope. */
  backward({ N, H, gates, gatesAt, cells, cellsPreviousAt, cellsAt, dh, dc }) {
    for (let n = 0; n < N; n++) {
      for (let u = 0; u < H; u++) {
        const at = gatesAt + n * 4 * H + u;
        const unit = n * H + u;
        const i = gates[at]!;
        const f = gates[at + H]!;
        const g = gates[at + 2 * H]!;
        const o = gates[at + 3 * H]!;
        const tanhC = hyperbolicTangent(cells[cellsAt + unit]!);
        const dhUnit = dh[unit]!;
        const dcUnit = dc[unit]! + dhUnit * o * (1 - tanhC * tanhC);
        gates[at] = dcUnit * g * i * (1 - i);
        gates[at + H] = dcUnit * cells[cellsPreviousAt + unit]! * f * (1 - f);
        gates[at + 2 * H] = dcUnit * i * (1 - g * g);
        gates[at + 3 * H] = dhUnit * tanhC * o * (1 - o);
        dc[unit] = dcUnit * f;
        dh[unit] = 0;
      }
    }
  },
};
