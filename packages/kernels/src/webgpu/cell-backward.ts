import type { CellKind } from '../backend.ts';
import { cellFunction, frame, stepwise } from './cell-frame.ts';

/** Operands of a step in one kernel with the product behind it, or of several. */
export const fusedBackwardReals = [
  /** The gates of the step, replaced by their gradients. */
  'gates',
  'd_output',
  /** What flows back through time, [N,H], in place; and what arrives at the final states, for rows that have ended. */
  'dh',
  'dc',
  'dh_final',
  'dc_final',
  'previous',
  /** h of all steps, where a kernel does several. */
  'output',
  'cells_before',
  'peephole',
  /** Where c before zoneout is kept for the gradient of peepholes. */
  'fresh_cells',
] as const;

const backwardReals = [
  ...fusedBackwardReals,
  /** c normalised; and the gradient of what stands inside h's tanh, then that of c. */
  'inner',
  'd_inner',
  'gain_cell',
  'bias_cell',
  /** Reset before the product: the gradient of what was multiplied. */
  'd_source',
] as const;
export type BackwardReal = (typeof backwardReals)[number];

// What comes back through time: all of it in dh, or what came through W still apart, unless there is no step behind this one.
const apart = `
fn arriving(j: u32) -> f32 { return dh(j); }
`;
const together = `
fn arriving(j: u32) -> f32 {
  if (inner_size == 0u) { return dh(j); }
  return product[0] + dh(j);
}
`;
const finish = `
fn incoming(i: u32, j: u32) -> f32 {
  if (has_d_output()) { return arriving(j) + d_output(i); }
  return arriving(j);
}
// What arrives at a final state waits until its sequence's own last step.
fn keep_final(j: u32) {
  var value = 0.0;
  if (has_dh_final()) { value = dh_final(j); }
  set_dh(j, value);
}
fn keep_final_cell(j: u32) {
  var value = 0.0;
  if (has_dc_final()) { value = dc_final(j); }
  set_dc(j, value);
}
`;

const zeroGates = (blocks: number) =>
  Array.from({ length: blocks }, (_, block) => `set_gates(at + ${block}u * H, 0.0);`).join(' ');
/** What of ∂L/∂h_t goes straight to h_{t−1}, and what goes into the new h. */
const divided = `let arrived = incoming(i, j);
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
  let arrived_c = dc(j);
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
  set_dc(j, dc_before);
  set_dh(j, carry);`;
const ended = (blocks: number, rest: string) => `if (has_ended(n)) { ${zeroGates(blocks)} ${rest} return; }`;
const gruHead = `${ended(4, 'keep_final(j);')}
  ${divided}
  let r = gates(at);
  let z = gates(at + H);
  let candidate = gates(at + 3u * H);
  let m = mask(n, u);
  let d_candidate = d * (1.0 - z) * m * fma(-candidate, candidate, 1.0);
  set_gates(at + H, d * (previous_hidden(n, row, u) - m * candidate) * z * (1.0 - z));
  set_gates(at + 3u * H, d_candidate);
  set_dh(j, d * z + carry);`;

/** The whole cell, where nothing has to be normalised or multiplied on the way. */
export const backwardCells: Readonly<Record<CellKind, string>> = {
  elman: `${ended(1, 'keep_final(j);')}
  ${divided}
  set_gates(at, d * squash_slope(p.squash, gates(at)));
  set_dh(j, carry);`,
  lstm: `if (has_ended(n)) {
    ${zeroGates(4)} keep_final(j); keep_final_cell(j);
    if (has_fresh_cells()) { set_fresh_cells(i, 0.0); }
    return;
  }
  ${lstmValues}
  ${lstmThroughOutput}
  let inside = fresh;
  ${lstmSlopes}
  ${lstmGradients}`,
  gru: `${gruHead}
  set_gates(at, d_candidate * gates(at + 2u * H) * r * (1.0 - r));
  set_gates(at + 2u * H, d_candidate * r);`,
};

/** WGSL: the function `cell` of a kernel with `fusedBackwardReals` that leaves the gradients of the step behind times W in `product`. */
export const fusedBackward = (cell: CellKind): string =>
  `${frame}${together}${finish}${cellFunction(backwardCells[cell])}`;
/** WGSL: a `cell` that only adds that product to `dh`, before the first step. */
export const fusedCarry = `${frame}${together}${cellFunction('set_dh(j, arriving(j));')}`;

function backwardKernel(name: string, body: string) {
  return stepwise(`${name} backward`, backwardReals, `${frame}${apart}${finish}${cellFunction(body)}`);
}

/** The gradients of the gates, in place of the gates, and what goes to h_{t−1} and c_{t−1} other than through W. */
export const backward = {
  elman: backwardKernel('elman', backwardCells.elman),
  gru: backwardKernel('gru', backwardCells.gru),
  lstm: backwardKernel('lstm', backwardCells.lstm),
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
    `${ended(4, 'keep_final(j); keep_final_cell(j);')}
  ${lstmValues}
  let carry = share_hidden(n, u) * incoming(i, j);
  let dzo = gates(at + 3u * H);
  let d_inside = d_inner(i);
  ${lstmGradients}`,
  ),
  gruBefore: backwardKernel('gru before', gruHead),
  /** After the gradient of what was multiplied is known; rows that have ended have gates of 0 by now. */
  gruReset: backwardKernel(
    'gru reset',
    `let r = gates(at);
  let ds = d_source(j);
  set_gates(at, ds * previous_hidden(n, row, u) * r * (1.0 - r));
  set_dh(j, fma(ds, r, dh(j)));`,
  ),
};
