import type { CellKind } from '../backend.ts';
import { philox, squashes } from './elementary.ts';
import { elementwise } from './grid.ts';

/** What the pointwise kernels of one time step are told, forward and backward. */
const frameNumbers = {
  /** H, G·H, and the columns that a row of the gates has. */
  units: 'u32',
  gate_rows: 'u32',
  width: 'u32',
  /** t within the pass, and within the sequences. */
  t: 'u32',
  place: 'u32',
  squash: 'u32',
  /** Masks are drawn: the purposes' words of the key, and what draws are compared with. */
  training: 'u32',
  seed: 'u32',
  step: 'u32',
  zone_hidden: 'f32',
  zone_hidden_purpose: 'u32',
  zone_hidden_below: 'u32',
  zone_cell: 'f32',
  zone_cell_purpose: 'u32',
  zone_cell_below: 'u32',
  dropped_purpose: 'u32',
  dropped_below: 'u32',
  kept: 'f32',
} as const;
export type FrameNumbers = Record<keyof typeof frameNumbers | 'count', number>;

const frame = `${squashes}${philox}
fn has_ended(n: u32) -> bool {
  if (!has_lengths()) { return false; }
  return i32(p.t) >= lengths(n);
}
fn drawn(n: u32, u: u32, purpose: u32, below: u32) -> bool {
  var sequence = n;
  if (has_sequences()) { sequence = u32(sequences(n)); }
  return is_drawn(p.step, sequence, p.place, u, p.seed, purpose, below);
}
// How much of its old value a unit keeps: 0 or 1 in training, the rate at inference.
fn share_hidden(n: u32, u: u32) -> f32 {
  if (p.zone_hidden == 0.0 || p.training == 0u) { return p.zone_hidden; }
  return select(0.0, 1.0, drawn(n, u, p.zone_hidden_purpose, p.zone_hidden_below));
}
fn share_cell(n: u32, u: u32) -> f32 {
  if (p.zone_cell == 0.0 || p.training == 0u) { return p.zone_cell; }
  return select(0.0, 1.0, drawn(n, u, p.zone_cell_purpose, p.zone_cell_below));
}
// What recurrent dropout multiplies a candidate by.
fn mask(n: u32, u: u32) -> f32 {
  if (p.dropped_below == 0u || p.training == 0u) { return 1.0; }
  return select(p.kept, 0.0, drawn(n, u, p.dropped_purpose, p.dropped_below));
}
`;

const forwardReals = [
  /** [N, width]: U x where it is not normalised, then the gates. */
  'gates',
  /** Both products normalised, [N,G·H], with their gains; else `projected` is not there and `hidden` is W h. */
  'projected',
  'hidden',
  'gain_ih',
  'gain_hh',
  'injected',
  'bias_ih',
  'bias_hh',
  'peephole',
  /** h and c before and after the step, [N,H]. */
  'previous',
  'output',
  'cells_before',
  'cells_now',
  /** c normalised, [N,H]. */
  'inner',
  'gain_cell',
  'bias_cell',
] as const;
export type ForwardReal = (typeof forwardReals)[number];

const forwardLibrary = `${frame}
// What block k of the input's product, whose place is a column of the gates, and block k of the hidden one add to a gate.
fn from_input(n: u32, k: u32, column: u32) -> f32 {
  var sum = bias_ih(k);
  if (has_projected()) { sum = fma(gain_ih(k), projected(n * p.gate_rows + k), sum); }
  else { sum += gates(n * p.width + column); }
  if (has_injected()) { sum += injected(n * p.gate_rows + k); }
  return sum;
}
fn from_hidden(n: u32, k: u32) -> f32 {
  if (!has_hidden()) { return 0.0; }
  let product = hidden(n * p.gate_rows + k);
  if (has_projected()) { return fma(gain_hh(k), product, bias_hh(k)); }
  return product + bias_hh(k);
}
fn gate(n: u32, k: u32) -> f32 { return from_input(n, k, k) + from_hidden(n, k); }
fn finish_hidden(i: u32, n: u32, u: u32, fresh: f32) {
  var h = fresh;
  let share = share_hidden(n, u);
  if (p.zone_hidden > 0.0) { h = share * previous(i) + (1.0 - share) * fresh; }
  set_output(i, select(h, 0.0, has_ended(n)));
}
fn finish_cell(i: u32, n: u32, u: u32, fresh: f32) {
  let before = cells_before(i);
  var c = fresh;
  let share = share_cell(n, u);
  if (p.zone_cell > 0.0) { c = share * before + (1.0 - share) * fresh; }
  set_cells_now(i, select(c, before, has_ended(n)));
}
`;

const place = `let H = p.units;
  let n = i / H;
  let u = i % H;
  let at = n * p.width + u;`;

function forwardKernel(name: string, body: string) {
  return elementwise({
    name: `${name} forward`,
    reals: forwardReals,
    ints: ['lengths', 'sequences'],
    numbers: frameNumbers,
    library: forwardLibrary,
    body: `${place}\n${body}`,
  });
}

const lstmGates = `let before = cells_before(i);
  var zi = gate(n, u);
  var zf = gate(n, H + u);
  var zo = gate(n, 3u * H + u);
  if (has_peephole()) { zi = fma(peephole(u), before, zi); zf = fma(peephole(H + u), before, zf); }
  let gi = sigmoid(zi);
  let gf = sigmoid(zf);
  let gg = squash(p.squash, gate(n, 2u * H + u));
  set_gates(at, gi);
  set_gates(at + H, gf);
  set_gates(at + 2u * H, gg);
  let fresh = gf * before + gi * (mask(n, u) * gg);`;
const lstmOutput = `if (has_peephole()) { zo = fma(peephole(2u * H + u), fresh, zo); }
  let go = sigmoid(zo);
  set_gates(at + 3u * H, go);
  finish_hidden(i, n, u, go * hyperbolic_tangent(inside));
  finish_cell(i, n, u, fresh);`;

/** The cells' pointwise halves, a thread for each unit of each row; formulas as in the reference. */
export const forward = {
  elman: forwardKernel(
    'elman',
    `let h = squash(p.squash, gate(n, u));
  set_gates(at, h);
  finish_hidden(i, n, u, h);`,
  ),
  lstm: forwardKernel(
    'lstm',
    `${lstmGates}
  let inside = fresh;
  ${lstmOutput}`,
  ),
  /** With c normalised: up to the new c, then the rest. */
  lstmFirst: forwardKernel(
    'lstm first',
    `${lstmGates}
  set_gates(at + 3u * H, zo);
  set_cells_now(i, fresh);
  set_inner(i, fresh);`,
  ),
  lstmSecond: forwardKernel(
    'lstm second',
    `let fresh = cells_now(i);
  var zo = gates(at + 3u * H);
  let inside = fma(gain_cell(u), inner(i), bias_cell(u));
  ${lstmOutput}`,
  ),
  gru: forwardKernel(
    'gru',
    `let r = sigmoid(gate(n, u));
  let z = sigmoid(gate(n, H + u));
  let q = from_hidden(n, 2u * H + u);
  let candidate = hyperbolic_tangent(fma(r, q, from_input(n, 2u * H + u, 3u * H + u)));
  set_gates(at, r);
  set_gates(at + H, z);
  set_gates(at + 2u * H, q);
  set_gates(at + 3u * H, candidate);
  finish_hidden(i, n, u, (1.0 - z) * (mask(n, u) * candidate) + z * previous(i));`,
  ),
  /** With the reset before the product: what is multiplied, then the rest. */
  gruReset: forwardKernel(
    'gru reset',
    `let r = sigmoid(gate(n, u));
  set_gates(at, r);
  set_gates(at + H, sigmoid(gate(n, H + u)));
  set_gates(at + 2u * H, r * previous(i));`,
  ),
  gruBefore: forwardKernel(
    'gru before',
    `let z = gates(at + H);
  let candidate = hyperbolic_tangent(from_input(n, 2u * H + u, 3u * H + u) + from_hidden(n, 2u * H + u));
  set_gates(at + 3u * H, candidate);
  finish_hidden(i, n, u, (1.0 - z) * (mask(n, u) * candidate) + z * previous(i));`,
  ),
};

const backwardReals = [
  /** The gates of the step, replaced by their gradients. */
  'gates',
  'd_output',
  /** What flows back through time, [N,H], in place; and what arrives at the final states, for rows that have ended. */
  'dh',
  'dc',
  'dh_final',
  'dc_final',
  'previous',
  'cells_before',
  'peephole',
  /** c normalised; and the gradient of what stands inside h's tanh, then that of c. */
  'inner',
  'd_inner',
  'gain_cell',
  'bias_cell',
  /** Where c before zoneout is kept for the gradient of peepholes. */
  'fresh_cells',
  /** Reset before the product: the gradient of what was multiplied. */
  'd_source',
] as const;
export type BackwardReal = (typeof backwardReals)[number];

const backwardLibrary = `${frame}
fn incoming(i: u32) -> f32 {
  if (has_d_output()) { return dh(i) + d_output(i); }
  return dh(i);
}
// What arrives at a final state waits until its sequence's own last step.
fn keep_final(i: u32) {
  var value = 0.0;
  if (has_dh_final()) { value = dh_final(i); }
  set_dh(i, value);
}
fn keep_final_cell(i: u32) {
  var value = 0.0;
  if (has_dc_final()) { value = dc_final(i); }
  set_dc(i, value);
}
`;

function backwardKernel(name: string, body: string) {
  return elementwise({
    name: `${name} backward`,
    reals: backwardReals,
    ints: ['lengths', 'sequences'],
    numbers: frameNumbers,
    library: backwardLibrary,
    body: `${place}\n${body}`,
  });
}

const zeroGates = (blocks: number) =>
  Array.from({ length: blocks }, (_, block) => `set_gates(at + ${block}u * H, 0.0);`).join(' ');
/** What of ∂L/∂h_t goes straight to h_{t−1}, and what goes into the new h. */
const divided = `let arrived = incoming(i);
  let zone = share_hidden(n, u);
  let carry = zone * arrived;
  let d = (1.0 - zone) * arrived;`;
const lstmValues = `let before = cells_before(i);
  let gi = gates(at);
  let gf = gates(at + H);
  let gg = gates(at + 2u * H);
  let m = mask(n, u);`;
const lstmThroughOutput = `${divided}
  let fresh = gf * before + gi * (m * gg);
  if (has_fresh_cells()) { set_fresh_cells(i, fresh); }
  let go = gates(at + 3u * H);`;
const lstmSlopes = `let squashed = hyperbolic_tangent(inside);
  let dzo = d * squashed * go * (1.0 - go);
  let d_inside = d * go * fma(-squashed, squashed, 1.0);`;
const lstmGradients = `let zone_c = share_cell(n, u);
  let arrived_c = dc(i);
  var d_cell = (1.0 - zone_c) * arrived_c + d_inside;
  if (has_peephole()) { d_cell = fma(dzo, peephole(2u * H + u), d_cell); }
  let dzi = d_cell * m * gg * gi * (1.0 - gi);
  let dzf = d_cell * before * gf * (1.0 - gf);
  set_gates(at, dzi);
  set_gates(at + H, dzf);
  set_gates(at + 2u * H, d_cell * m * gi * squash_slope(p.squash, gg));
  set_gates(at + 3u * H, dzo);
  var dc_before = d_cell * gf + zone_c * arrived_c;
  if (has_peephole()) { dc_before += dzi * peephole(u) + dzf * peephole(H + u); }
  set_dc(i, dc_before);
  set_dh(i, carry);`;
const ended = (blocks: number, rest: string) => `if (has_ended(n)) { ${zeroGates(blocks)} ${rest} return; }`;
const gruHead = `${ended(4, 'keep_final(i);')}
  ${divided}
  let r = gates(at);
  let z = gates(at + H);
  let candidate = gates(at + 3u * H);
  let m = mask(n, u);
  let d_candidate = d * (1.0 - z) * m * fma(-candidate, candidate, 1.0);
  set_gates(at + H, d * (previous(i) - m * candidate) * z * (1.0 - z));
  set_gates(at + 3u * H, d_candidate);
  set_dh(i, d * z + carry);`;

/** Their gradients, in place of the gates, and what goes to h_{t−1} and c_{t−1} other than through W. */
export const backward = {
  elman: backwardKernel(
    'elman',
    `${ended(1, 'keep_final(i);')}
  ${divided}
  set_gates(at, d * squash_slope(p.squash, gates(at)));
  set_dh(i, carry);`,
  ),
  lstm: backwardKernel(
    'lstm',
    `if (has_ended(n)) {
    ${zeroGates(4)} keep_final(i); keep_final_cell(i);
    if (has_fresh_cells()) { set_fresh_cells(i, 0.0); }
    return;
  }
  ${lstmValues}
  ${lstmThroughOutput}
  let inside = fresh;
  ${lstmSlopes}
  ${lstmGradients}`,
  ),
  lstmFirst: backwardKernel(
    'lstm first',
    `if (has_ended(n)) {
    set_d_inner(i, 0.0);
    if (has_fresh_cells()) { set_fresh_cells(i, 0.0); }
    return;
  }
  ${lstmValues}
  ${lstmThroughOutput}
  let inside = fma(gain_cell(u), inner(i), bias_cell(u));
  ${lstmSlopes}
  set_gates(at + 3u * H, dzo);
  set_d_inner(i, d_inside);`,
  ),
  lstmSecond: backwardKernel(
    'lstm second',
    `${ended(4, 'keep_final(i); keep_final_cell(i);')}
  ${lstmValues}
  let carry = share_hidden(n, u) * incoming(i);
  let dzo = gates(at + 3u * H);
  let d_inside = d_inner(i);
  ${lstmGradients}`,
  ),
  gru: backwardKernel(
    'gru',
    `${gruHead}
  set_gates(at, d_candidate * gates(at + 2u * H) * r * (1.0 - r));
  set_gates(at + 2u * H, d_candidate * r);`,
  ),
  gruBefore: backwardKernel('gru before', gruHead),
  /** After the gradient of what was multiplied is known; rows that have ended have gates of 0 by now. */
  gruReset: backwardKernel(
    'gru reset',
    `let r = gates(at);
  let ds = d_source(i);
  set_gates(at, ds * previous(i) * r * (1.0 - r));
  set_dh(i, fma(ds, r, dh(i)));`,
  ),
};

/** The whole cell in one kernel, where nothing has to be normalised or multiplied on the way. */
export const wholeForward = { elman: forward.elman, gru: forward.gru, lstm: forward.lstm } satisfies Record<
  CellKind,
  unknown
>;
export const wholeBackward = {
  elman: backward.elman,
  gru: backward.gru,
  lstm: backward.lstm,
} satisfies Record<CellKind, unknown>;
