import { hyperbolicTangent, sigmoid } from '../elementary.ts';
import type { RealArray } from '../engine.ts';
import type { Cell, Frame, LstmOptions } from './cell.ts';
import { lstm } from './lstm.ts';

/** ĉ, what stands inside h's tanh, into `inner`: c itself, or c normalised. `c`: c_t before zoneout, [N,H]. */
function normalizeCells({ N, H, slot }: Frame, options: LstmOptions, c: RealArray, cAt: number): void {
  const { norm, gain, bias, inner } = options;
  if (!norm) {
    for (let i = 0; i < N * H; i++) inner[i] = c[cAt + i]!;
    return;
  }
  const at = slot * N * H;
  for (let i = 0; i < N * H; i++) norm.values[at + i] = c[cAt + i]!;
  norm.forward(slot, 0);
  scaleNormalized(N, H, norm.values, at, gain, bias, inner);
}

function scaleNormalized(
  N: number,
  H: number,
  values: RealArray,
  at: number,
  gain: RealArray,
  bias: RealArray,
  out: RealArray,
): void {
  for (let n = 0, i = 0; n < N; n++)
    for (let u = 0; u < H; u++, i++) out[i] = gain[u]! * values[at + i]! + bias[u]!;
}

/**
 * Long short-term memory with any of its options: i, f see c₋₁ through the peepholes p, o sees c; g = κ(z_g), m its mask of recurrent dropout;
 * c = f c₋₁ + i m g; h = o tanh(ĉ). With all of them off it computes what `lstm` does.
 */
export const lstmWithOptions: Cell = {
  ...lstm,
  forward(frame) {
    const { N, H, gates, gatesAt, biasIh, biasHh, output, outputAt, cells, cellsPreviousAt, cellsAt } = frame;
    const options = frame.lstm!;
    const { peephole, candidate, inner } = options;
    for (let n = 0; n < N; n++) {
      for (let u = 0; u < H; u++) {
        const at = gatesAt + n * 4 * H + u;
        const unit = n * H + u;
        const before = cells[cellsPreviousAt + unit]!;
        const i = sigmoid(gates[at]! + biasIh[u]! + biasHh[u]! + peephole[u]! * before);
        const f = sigmoid(gates[at + H]! + biasIh[H + u]! + biasHh[H + u]! + peephole[H + u]! * before);
        const g = candidate.value(gates[at + 2 * H]! + biasIh[2 * H + u]! + biasHh[2 * H + u]!);
        gates[at] = i;
        gates[at + H] = f;
        gates[at + 2 * H] = g;
        cells[cellsAt + unit] = f * before + i * (frame.mask ? frame.mask[unit]! * g : g);
      }
    }
    normalizeCells(frame, options, cells, cellsAt);
    for (let n = 0; n < N; n++) {
      for (let u = 0; u < H; u++) {
        const at = gatesAt + (n * 4 + 3) * H + u;
        const unit = n * H + u;
        const c = cells[cellsAt + unit]!;
        const o = sigmoid(gates[at]! + biasIh[3 * H + u]! + biasHh[3 * H + u]! + peephole[2 * H + u]! * c);
        gates[at] = o;
        output[outputAt + unit] = o * hyperbolicTangent(inner[unit]!);
      }
    }
  },
  /** As `lstm`, with dc += ∂ĉ/∂c dĉ + p_o dz_o; dc₋₁ += p_i dz_i + p_f dz_f; dp = Σ dz c. */
  backward(frame) {
    const { N, H, gates, gatesAt, cells, cellsPreviousAt, dh, dc, mask } = frame;
    const { candidate, peephole, dPeephole, fresh, inner } = frame.lstm!;
    outputBackward(frame, frame.lstm!);
    for (let n = 0; n < N; n++) {
      for (let u = 0; u < H; u++) {
        const at = gatesAt + n * 4 * H + u;
        const unit = n * H + u;
        const m = mask ? mask[unit]! : 1;
        const before = cells[cellsPreviousAt + unit]!;
        const i = gates[at]!;
        const f = gates[at + H]!;
        const g = gates[at + 2 * H]!;
        const dzO = gates[at + 3 * H]!;
        const dcUnit = dc[unit]! + inner[unit]! + dzO * peephole[2 * H + u]!;
        const dzI = dcUnit * m * g * i * (1 - i);
        const dzF = dcUnit * before * f * (1 - f);
        gates[at] = dzI;
        gates[at + H] = dzF;
        gates[at + 2 * H] = dcUnit * m * i * candidate.slope(g);
        dPeephole[u] = dPeephole[u]! + dzI * before;
        dPeephole[H + u] = dPeephole[H + u]! + dzF * before;
        dPeephole[2 * H + u] = dPeephole[2 * H + u]! + dzO * fresh[unit]!;
        dc[unit] = dcUnit * f + dzI * peephole[u]! + dzF * peephole[H + u]!;
        dh[unit] = 0;
      }
    }
  },
};

/** Back through h = o tanh(ĉ): the gradient of o's sum into its column, that of c into `inner`, and c itself, before zoneout, into `fresh`. */
function outputBackward(frame: Frame, options: LstmOptions): void {
  const { N, H, slot, gates, gatesAt, cells, cellsPreviousAt, dh, mask } = frame;
  const { norm, gain, bias, dGain, dBias, fresh, inner } = options;
  for (let n = 0; n < N; n++) {
    for (let u = 0; u < H; u++) {
      const at = gatesAt + n * 4 * H + u;
      const unit = n * H + u;
      const g = gates[at + 2 * H]!;
      fresh[unit] =
        gates[at + H]! * cells[cellsPreviousAt + unit]! + gates[at]! * (mask ? mask[unit]! * g : g);
    }
  }
  if (norm) scaleNormalized(N, H, norm.values, slot * N * H, gain, bias, inner);
  else for (let i = 0; i < N * H; i++) inner[i] = fresh[i]!;
  for (let n = 0; n < N; n++) {
    for (let u = 0; u < H; u++) {
      const at = gatesAt + (n * 4 + 3) * H + u;
      const unit = n * H + u;
      const o = gates[at]!;
      const tanhC = hyperbolicTangent(inner[unit]!);
      gates[at] = dh[unit]! * tanhC * o * (1 - o);
      inner[unit] = dh[unit]! * o * (1 - tanhC * tanhC);
      dBias[u] = dBias[u]! + inner[unit]!;
    }
  }
  if (!norm) return;
  norm.backward(slot, 0, inner, 0, H, gain, dGain);
  const at = slot * N * H;
  for (let i = 0; i < N * H; i++) inner[i] = norm.values[at + i]!;
}
