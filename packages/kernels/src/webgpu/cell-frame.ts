import { philox, squashes } from './elementary.ts';
import { elementwise } from './grid.ts';

/** What the kernels of a cell are told, forward and backward, about one time step or the first of several. */
export const frameNumbers = {
  /** N, H, G·H, and the columns that a row of the gates has. */
  N: 'u32',
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
export type FrameNumbers = Record<keyof typeof frameNumbers, number>;

/**
 * WGSL that the cells share. `cell_step` counts the steps from the one that the operands begin with; `n` is a sequence of the batch, `row` its row
 * among the rows of all steps, `u` a unit.
 */
export const frame = `${squashes}${philox}
var<private> cell_step: u32 = 0u;
fn has_ended(n: u32) -> bool {
  if (!has_lengths()) { return false; }
  return i32(p.t + cell_step) >= lengths(n);
}
fn drawn(n: u32, u: u32, purpose: u32, below: u32) -> bool {
  var sequence = n;
  if (has_sequences()) { sequence = u32(sequences(n)); }
  return is_drawn(p.step, sequence, p.place + cell_step, u, p.seed, purpose, below);
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
// h before the step.
fn previous_hidden(n: u32, row: u32, u: u32) -> f32 {
  if (cell_step == 0u) { return previous(n * p.units + u); }
  return output((row - p.N) * p.units + u);
}
`;

/** WGSL: the places of a unit, and the body of the function `cell` in which they are known. */
export function cellFunction(body: string): string {
  return `
fn cell(n: u32, u: u32) {
  let H = p.units;
  let row = cell_step * p.N + n;
  // Among the states of all steps, among those of one, and among the gates.
  let i = row * H + u;
  let j = n * H + u;
  let at = row * p.width + u;
  ${body}
}`;
}

/** The kernel of one time step, a thread for each unit of each row. */
export function stepwise<Real extends string>(name: string, reals: readonly Real[], library: string) {
  return elementwise({
    name,
    reals,
    ints: ['lengths', 'sequences'],
    numbers: frameNumbers,
    library,
    body: 'cell(i / p.units, i % p.units);',
  });
}
