import type { CellKind } from '../backend.ts';
import { cellFunction, frame, stepwise } from './cell-frame.ts';

/** Operands of a step in one kernel with its product, or of several. */
export const fusedForwardReals = [
  /** [N, width]: U x where it is not normalised, then the gates. */
  'gates',
  'injected',
  'bias_ih',
  'bias_hh',
  'peephole',
  /** h and c before and after the step, [N,H]. */
  'previous',
  'output',
  'cells_before',
  'cells_now',
] as const;

const forwardReals = [
  ...fusedForwardReals,
  /** Both products normalised, [N,G·H], with their gains; else `projected` is not there and `hidden` is W h. */
  'projected',
  'hidden',
  'gain_ih',
  'gain_hh',
  /** c normalised, [N,H]. */
  'inner',
  'gain_cell',
  'bias_cell',
] as const;
export type ForwardReal = (typeof forwardReals)[number];

// What block k of the input's product, whose place is block `column` of the gates, and block k of the hidden one add to a gate.
const apart = `
fn from_input(row: u32, u: u32, block: u32, column: u32) -> f32 {
  let k = block * p.units + u;
  var sum = bias_ih(k);
  if (has_projected()) { sum = fma(gain_ih(k), projected(row * p.gate_rows + k), sum); }
  else { sum += gates(row * p.width + column * p.units + u); }
  if (has_injected()) { sum += injected(row * p.gate_rows + k); }
  return sum;
}
fn from_hidden(row: u32, u: u32, block: u32) -> f32 {
  if (!has_hidden()) { return 0.0; }
  let k = block * p.units + u;
  let product = hidden(row * p.gate_rows + k);
  if (has_projected()) { return fma(gain_hh(k), product, bias_hh(k)); }
  return product + bias_hh(k);
}
`;
const together = `
fn from_input(row: u32, u: u32, block: u32, column: u32) -> f32 {
  let k = block * p.units + u;
  var sum = bias_ih(k) + gates(row * p.width + column * p.units + u);
  if (has_injected()) { sum += injected(row * p.gate_rows + k); }
  return sum;
}
fn from_hidden(row: u32, u: u32, block: u32) -> f32 { return product[block] + bias_hh(block * p.units + u); }
`;
const finish = `
fn gate(row: u32, u: u32, block: u32) -> f32 { return from_input(row, u, block, block) + from_hidden(row, u, block); }
fn finish_hidden(n: u32, row: u32, u: u32, fresh: f32) {
  var h = fresh;
  let share = share_hidden(n, u);
  if (p.zone_hidden > 0.0) { h = share * previous_hidden(n, row, u) + (1.0 - share) * fresh; }
  set_output(row * p.units + u, select(h, 0.0, has_ended(n)));
}
fn finish_cell(i: u32, n: u32, u: u32, fresh: f32) {
  let before = cells_before(i);
  var c = fresh;
  let share = share_cell(n, u);
  if (p.zone_cell > 0.0) { c = share * before + (1.0 - share) * fresh; }
  set_cells_now(i, select(c, before, has_ended(n)));
}
`;

const lstmGates = `let before = cells_before(i);
  var zi = gate(row, u, 0u);
  var zf = gate(row, u, 1u);
  var zo = gate(row, u, 3u);
  if (has_peephole()) { zi = fma(peephole(u), before, zi); zf = fma(peephole(H + u), before, zf); }
  let gi = sigmoid(zi);
  let gf = sigmoid(zf);
  let gg = squash(p.squash, gate(row, u, 2u));
  set_gates(at, gi);
  set_gates(at + H, gf);
  set_gates(at + 2u * H, gg);
  let fresh = gf * before + gi * (mask(n, u) * gg);`;
const lstmOutput = `if (has_peephole()) { zo = fma(peephole(2u * H + u), fresh, zo); }
  let go = sigmoid(zo);
  set_gates(at + 3u * H, go);
  finish_hidden(n, row, u, go * hyperbolic_tangent(inside));
  finish_cell(i, n, u, fresh);`;

/** The whole cell, where nothing has to be normalised or multiplied on the way; formulas as in the reference. */
export const forwardCells: Readonly<Record<CellKind, string>> = {
  elman: `let h = squash(p.squash, gate(row, u, 0u));
  set_gates(at, h);
  finish_hidden(n, row, u, h);`,
  lstm: `${lstmGates}
  let inside = fresh;
  ${lstmOutput}`,
  gru: `let r = sigmoid(gate(row, u, 0u));
  let z = sigmoid(gate(row, u, 1u));
  let q = from_hidden(row, u, 2u);
  let candidate = hyperbolic_tangent(fma(r, q, from_input(row, u, 2u, 3u)));
  set_gates(at, r);
  set_gates(at + H, z);
  set_gates(at + 2u * H, q);
  set_gates(at + 3u * H, candidate);
  finish_hidden(n, row, u, (1.0 - z) * (mask(n, u) * candidate) + z * previous_hidden(n, row, u));`,
};

/** WGSL: the function `cell` of a kernel with `fusedForwardReals` that leaves W h in `product`. */
export const fusedForward = (cell: CellKind): string =>
  `${frame}${together}${finish}${cellFunction(forwardCells[cell])}`;

function forwardKernel(name: string, body: string) {
  return stepwise(`${name} forward`, forwardReals, `${frame}${apart}${finish}${cellFunction(body)}`);
}

/** The cells' pointwise halves alone, a thread for each unit of each row. */
export const forward = {
  elman: forwardKernel('elman', forwardCells.elman),
  gru: forwardKernel('gru', forwardCells.gru),
  lstm: forwardKernel('lstm', forwardCells.lstm),
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
  /** With the reset before the product: what is multiplied, then the rest. */
  gruReset: forwardKernel(
    'gru reset',
    `let r = sigmoid(gate(row, u, 0u));
  set_gates(at, r);
  set_gates(at + H, sigmoid(gate(row, u, 1u)));
  set_gates(at + 2u * H, r * previous_hidden(n, row, u));`,
  ),
  gruBefore: forwardKernel(
    'gru before',
    `let z = gates(at + H);
  let candidate = hyperbolic_tangent(from_input(row, u, 2u, 3u) + from_hidden(row, u, 2u));
  set_gates(at + 3u * H, candidate);
  finish_hidden(n, row, u, (1.0 - z) * (mask(n, u) * candidate) + z * previous_hidden(n, row, u));`,
  ),
};
