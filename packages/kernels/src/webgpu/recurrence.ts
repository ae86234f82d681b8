import type { CheckedBackward } from '../checks/recurrent.ts';
import {
  type FusedBackwardReal,
  type FusedForwardReal,
  fusedBackwards,
  fusedCarries,
  fusedForwards,
} from './fused-cells.ts';
import { fitsSequence, fusedSequence } from './fused-sequence.ts';
import { fusedStep } from './fused-step.ts';
import { elementwise, gridFor } from './grid.ts';
import type { Recurrence } from './options.ts';
import { type Place, part } from './place.ts';
import { frameNumbers, type Pass, stepOf, type Workshop } from './recurrent-pass.ts';

/**
 * Up to this many recurrent weights `auto` gives a sequence to one kernel: half a MiB, LSTMs of up to 181 units. A workgroup that reads them all from the
 * second-level cache, at some 100 GB/s, takes about as long for that as a dispatch of its own takes to begin, 5 µs. By that estimate alone, it was not measured.
 */
const sequenceWeights = 2 ** 17;

/** What `wish` means for a layer. */
export function recurrenceOf(
  { recurrence: wish, precision }: Workshop,
  { cell, T, H, input }: Pass,
): Exclude<Recurrence, 'auto'> {
  // Normalised, without recurrence, or with a product that waits for the reset.
  if (wish === 'separate' || input || cell.hidden.length !== 1) return 'separate';
  const backward = fusedBackwards[precision][cell.kind];
  if (wish === 'step' || !fitsSequence(backward, H)) return 'step';
  if (wish === 'sequence') return 'sequence';
  return T > 1 && backward.blocks * H * H <= sequenceWeights ? 'sequence' : 'step';
}

const transpose = elementwise({
  name: 'transposed recurrent weights',
  reals: ['source', 'transposed'],
  numbers: { rows: 'u32', columns: 'u32' },
  body: 'set_transposed(i, source((i % p.rows) * p.columns + i / p.rows));',
});

/** Pairs of k in half precision, of blocks of so many rows or columns: of weightHh [G,H] forwards, its transpose [H,G]; backwards as it is. */
const packed = elementwise({
  name: 'packed recurrent weights',
  reals: ['source', 'pairs'],
  halves: ['pairs'],
  numbers: { across: 'u32', inner: 'u32', k_stride: 'u32', other_stride: 'u32', block_stride: 'u32' },
  body: `let half_inner = (p.inner + 1u) / 2u;
  let pair = i / p.across;
  let k = 2u * (pair % half_inner);
  let at = (pair / half_inner) * p.block_stride + k * p.k_stride + (i % p.across) * p.other_stride;
  var high = 0.0;
  if (k + 1u < p.inner) { high = source(at + p.k_stride); }
  set_pairs(i, source(at), high);`,
});

/** weightHh in pairs, as a kernel of that direction reads it: `blocks` blocks of H k, `across` pairs beside each other. */
function packWeights(
  { recorder, scratch }: Workshop,
  { H, weights }: Pass,
  name: string,
  blocks: number,
  shape: { readonly across: number; readonly k_stride: number; readonly other_stride: number },
): Place {
  const source = weights.weightHh;
  const count = blocks * Math.ceil(H / 2) * shape.across;
  const pairs = scratch(name, count);
  const numbers = { ...shape, inner: H, block_stride: H * H, count };
  recorder.dispatch(packed, { reals: { source, pairs }, ints: {}, numbers }, gridFor(count));
  return pairs;
}

/** weightHh as threads with neighbouring units like to read it; a single step is over before that pays. */
function forwardWeights(workshop: Workshop, pass: Pass) {
  const { recorder, scratch, precision } = workshop;
  const { T, G, H, weights } = pass;
  const source = weights.weightHh;
  if (precision === 'f16') {
    const shape = { across: G, k_stride: 1, other_stride: H };
    const weight = packWeights(workshop, pass, 'recurrent weights in pairs', 1, shape);
    return { weight, weight_k: G, weight_row: 1 };
  }
  if (T === 1) return { weight: source, weight_k: 1, weight_row: H };
  const transposed = scratch('transposed recurrent weights', G * H);
  const numbers = { rows: G, columns: H, count: G * H };
  recorder.dispatch(transpose, { reals: { source, transposed }, ints: {}, numbers }, gridFor(G * H));
  return { weight: transposed, weight_k: G, weight_row: 1 };
}

const intsOf = ({ lengths, training }: Pass) => ({ lengths, sequences: training?.sequences ?? null });

/** The time loop over the steps of a pass, in one kernel a step or one in all. */
export function fusedForwardThroughTime(
  workshop: Workshop,
  pass: Pass,
  recurrence: 'step' | 'sequence',
  { injected, output, previous }: { injected: Place | null; output: Place; previous: Place },
): void {
  const { recorder, precision } = workshop;
  const { T, N, H, G, width, cell, layer, weights, room } = pass;
  const fused = fusedForwards[precision][cell.kind];
  const { weight, ...strides } = forwardWeights(workshop, pass);
  const isLstm = cell.kind === 'lstm';
  const ints = intsOf(pass);
  const realsAt = (t: number): Record<FusedForwardReal, Place | null> => ({
    gates: stepOf(room.gates, t, N, width),
    injected: injected && stepOf(injected, t, N, G),
    bias_ih: weights.biasIh,
    bias_hh: weights.biasHh,
    peephole: layer.peephole ? weights.peephole : null,
    previous: t > 0 ? stepOf(output, t - 1, N, H) : previous,
    output: stepOf(output, t, N, H),
    cells_before: isLstm ? stepOf(room.cells, t, N, H) : null,
    cells_now: isLstm ? stepOf(room.cells, t + 1, N, H) : null,
    weight,
  });
  if (recurrence === 'sequence') {
    const { kernel, grid, numbers } = fusedSequence(fused, N, H);
    const own = { ...frameNumbers(pass, 0), ...strides, ...numbers, steps: T };
    recorder.dispatch(kernel, { reals: realsAt(0), ints, numbers: own }, grid);
    return;
  }
  const { kernel, grid, numbers } = fusedStep(fused, N, H);
  for (let t = 0; t < T; t++) {
    const own = { ...frameNumbers(pass, t), ...strides, ...numbers, inner: H };
    recorder.dispatch(kernel, { reals: realsAt(t), ints, numbers: own }, grid);
  }
}

/** weightHh as it is, whose rows neighbouring threads read along. */
function backwardWeights(workshop: Workshop, pass: Pass): Place {
  const { H, G, weights } = pass;
  if (workshop.precision !== 'f16') return weights.weightHh;
  const shape = { across: H, k_stride: H, other_stride: 1 };
  return packWeights(workshop, pass, 'recurrent weights in pairs, backward', G / H, shape);
}

/** From the last step to the first: the saved gates become their gradients. `fresh`: where c before zoneout is left for the gradient of peepholes. */
export function fusedBackwardThroughTime(
  workshop: Workshop,
  pass: Pass,
  recurrence: 'step' | 'sequence',
  checked: CheckedBackward<Place>,
  { dh, dc, fresh }: { dh: Place; dc: Place; fresh: Place | null },
): void {
  const { recorder, precision } = workshop;
  const { T, N, H, width, cell, layer, weights, room } = pass;
  const { dOutput, dhT, dcT } = checked;
  const weight = backwardWeights(workshop, pass);
  const { output } = checked.pass;
  const isLstm = cell.kind === 'lstm';
  const ints = intsOf(pass);
  const strides = { weight_k: 0, weight_row: 0 };
  const realsAt = (t: number): Record<FusedBackwardReal, Place | null> => ({
    gates: stepOf(room.gates, t, N, width),
    d_output: dOutput && stepOf(dOutput, t, N, H),
    dh,
    dc: isLstm ? dc : null,
    dh_final: dhT,
    dc_final: dcT,
    previous: t > 0 ? stepOf(output, t - 1, N, H) : room.first,
    output,
    cells_before: isLstm ? stepOf(room.cells, t, N, H) : null,
    peephole: layer.peephole ? weights.peephole : null,
    fresh_cells: fresh && stepOf(fresh, t, N, H),
    weight,
    behind: stepOf(room.gates, t + 1 < T ? t + 1 : t, N, width),
  });
  if (recurrence === 'sequence') {
    const { kernel, grid, numbers } = fusedSequence(fusedBackwards[precision][cell.kind], N, H);
    const own = { ...frameNumbers(pass, 0), ...strides, ...numbers, steps: T };
    // Its kernel counts steps from the first.
    const reals = { ...realsAt(0), behind: part(room.gates, 0, room.gates.length) };
    recorder.dispatch(kernel, { reals, ints, numbers: own }, grid);
  } else {
    const { kernel, grid, numbers } = fusedStep(fusedBackwards[precision][cell.kind], N, H);
    for (let t = T - 1; t >= 0; t--) {
      const inner = t + 1 < T ? H : 0;
      const own = { ...frameNumbers(pass, t), ...strides, ...numbers, inner };
      recorder.dispatch(kernel, { reals: realsAt(t), ints, numbers: own }, grid);
    }
  }
  if (!checked.dh0 || T === 0) return;
  const { kernel, grid, numbers } = fusedStep(fusedCarries[precision][cell.kind], N, H);
  const own = { ...frameNumbers(pass, 0), ...strides, ...numbers, inner: H };
  const reals = { ...realsAt(0), behind: stepOf(room.gates, 0, N, width) };
  recorder.dispatch(kernel, { reals, ints, numbers: own }, grid);
}
