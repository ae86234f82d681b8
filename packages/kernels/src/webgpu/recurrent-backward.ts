import type { RecurrentBackward } from '../backend.ts';
import { type CheckedBackward, checkBackward } from '../checks/recurrent.ts';
import { type BackwardReal, backward } from './cell-backward.ts';
import { copy, fill } from './elementwise.ts';
import { gridFor } from './grid.ts';
import { type Place, part } from './place.ts';
import { fusedBackwardThroughTime, recurrenceOf } from './recurrence.ts';
import {
  createPass,
  frameNumbers,
  normalizeBackward,
  type Pass,
  stepOf,
  type Workshop,
} from './recurrent-pass.ts';
import { copyColumns } from './rows.ts';
import { scatterAdd } from './scatter.ts';
import { addColumnSums, type Columns } from './sums.ts';
import type { Tensors } from './tensors.ts';

const tail = (place: Place, from: number) => part(place, from, place.length - from);

/** Gradients that the time loop leaves for all steps at once. null: the layer has none. */
interface Left {
  /** Of W h before normalisation, [T,N,G·H]. */
  readonly dHidden: Place | null;
  /** Of U x before normalisation. */
  readonly dProjected: Place | null;
  /** Of ĉ, then, in another place, of c, [T,N,H]. */
  readonly dInside: Place | null;
  readonly dCells: Place | null;
  /** c before zoneout, for peepholes. */
  readonly fresh: Place | null;
}

function leave(
  { scratch }: Workshop,
  { T, N, H, G, input, hidden, cells }: Pass,
  wantsPeephole: boolean,
): Left {
  const room = (name: string, columns: number) => part(scratch(name, T * N * columns), 0, T * N * columns);
  return {
    dHidden: hidden && room('d hidden product', G),
    dProjected: input && room('d input product', G),
    dInside: cells && room('d inside', H),
    dCells: cells && room('d cells', H),
    fresh: wantsPeephole ? room('fresh cells', H) : null,
  };
}

/** Columns of a gradient's row: one block of the gates may lie between the input's. */
function inputColumns({ G, H, width, room, cell }: Pass): Columns {
  const [first, second] = cell.input;
  return {
    place: room.gates,
    row: width,
    count: G,
    shiftFrom: second ? second.row * H : G,
    shift: second ? (second.column - second.row) * H : first!.column * H,
  };
}

function hiddenColumns({ G, H, width, room, cell }: Pass): Columns {
  const second = cell.hidden[1];
  const shift = second ? (second.column - second.row) * H : 0;
  return { place: room.gates, row: width, count: G, shiftFrom: second ? second.row * H : G, shift };
}

/** From the last step to the first: the saved gates become their gradients. */
function throughTime(
  workshop: Workshop,
  pass: Pass,
  checked: CheckedBackward<Place>,
  left: Left,
  dh: Place,
  dc: Place,
): void {
  const { recorder, scratch, products } = workshop;
  const { T, N, H, G, width, cell, layer, weights, room, lengths, training } = pass;
  const { dOutput, dhT, dcT } = checked;
  const { output } = checked.pass;
  const isLstm = cell.kind === 'lstm';
  const isBefore = cell.resetBackward !== undefined;
  const dSource = isBefore ? part(scratch('d source', N * H), 0, N * H) : null;
  const ints = { lengths, sequences: training?.sequences ?? null };
  for (let t = T - 1; t >= 0; t--) {
    const gates = stepOf(room.gates, t, N, width);
    const reals: Record<BackwardReal, Place | null> = {
      gates,
      d_output: dOutput && stepOf(dOutput, t, N, H),
      dh,
      dc: isLstm ? dc : null,
      dh_final: dhT,
      dc_final: dcT,
      previous: t > 0 ? stepOf(output, t - 1, N, H) : room.first,
      output: null,
      cells_before: isLstm ? stepOf(room.cells, t, N, H) : null,
      peephole: layer.peephole ? weights.peephole : null,
      inner: pass.cells && stepOf(pass.cells.values, t, N, H),
      // Before normalisation's backward the gradient of ĉ, after it that of c.
      d_inner: left.dInside && stepOf(left.dInside, t, N, H),
      gain_cell: pass.cells ? weights.gainCell : null,
      bias_cell: pass.cells ? weights.biasCell : null,
      fresh_cells: left.fresh && stepOf(left.fresh, t, N, H),
      d_source: dSource,
    };
    const numbers = { ...frameNumbers(pass, t), count: N * H };
    const run = (kernel: (typeof backward)[keyof typeof backward], changed: Partial<typeof reals> = {}) =>
      recorder.dispatch(kernel, { reals: { ...reals, ...changed }, ints, numbers }, gridFor(N * H));
    if (pass.cells) {
      run(backward.lstmFirst);
      const dInside = { place: reals.d_inner!, row: H, shiftFrom: H, shift: 0 };
      normalizeBackward(workshop, pass, pass.cells, left.dCells!, dInside, t, 1, 0);
      run(backward.lstmSecond, { d_inner: stepOf(left.dCells!, t, N, H) });
    } else run(isBefore ? backward.gruBefore : backward[cell.kind]);
    for (let range = cell.hidden.length - 1; range >= 0; range--) {
      const { column, row, count, source } = cell.hidden[range]!;
      let a = { place: tail(gates, column * H), row: width, column: 1 };
      if (pass.hidden) {
        const dy = { place: a.place, row: width, shiftFrom: count * H, shift: 0 };
        normalizeBackward(workshop, pass, pass.hidden, left.dHidden!, dy, t, 1, range);
        a = { place: tail(left.dHidden!, t * N * G + row * H), row: G, column: 1 };
      }
      products.multiply({
        operands: 'gradients',
        isStep: true,
        a,
        b: { place: part(weights.weightHh, row * H * H, count * H * H), row: H, column: 1 },
        output: source === null ? dh : dSource!,
        ...{ outputRow: H, M: N, K: count * H, P: H, accumulate: source === null },
      });
      if (source !== null) run(backward.gruReset);
    }
  }
}

/** Gradients of W and b_hh, all steps at once. */
function hiddenGradients(
  { recorder, scratch, products }: Workshop,
  pass: Pass,
  checked: CheckedBackward<Place>,
  left: Left,
): void {
  const { T, N, H, G, width, cell, room } = pass;
  const { gradients } = checked;
  const { output } = checked.pass;
  const rows = T * N;
  for (const { column, row, count, source } of cell.hidden) {
    const [place, stride] = pass.hidden
      ? [tail(left.dHidden!, row * H), G]
      : [tail(room.gates, column * H), width];
    if (gradients.biasHh)
      addColumnSums(
        recorder,
        scratch,
        rows,
        { place: tail(room.gates, column * H), row: width, count: count * H },
        part(gradients.biasHh, row * H, count * H),
      );
    if (!gradients.weightHh) continue;
    const target = part(gradients.weightHh, row * H * H, count * H * H);
    const add = (dz: Place, x: Place, xRow: number, K: number) =>
      products.addOuterProduct({
        operands: 'gradients',
        a: { place: dz, row: 1, column: stride },
        b: { place: x, row: xRow, column: 1 },
        ...{ output: target, M: count * H, K, P: H },
      });
    if (source !== null) add(place, tail(room.gates, source * H), width, rows);
    else {
      add(place, room.first, H, N);
      if (T > 1) add(tail(place, N * stride), output, H, rows - N);
    }
  }
}

/** Gradients of U, b_ih and the input, all steps at once. */
function inputGradients(workshop: Workshop, pass: Pass, checked: CheckedBackward<Place>, left: Left): void {
  const { recorder, scratch, products } = workshop;
  const { T, N, H, G, width, cell, layer, weights, room } = pass;
  const { gradients, input, dInput, dInjected } = checked;
  const rows = T * N;
  const C = layer.inputSize;
  const columns = inputColumns(pass);
  if (gradients.biasIh) addColumnSums(recorder, scratch, rows, columns, gradients.biasIh);
  if (dInjected) copyColumns(recorder, rows, columns, dInjected, G);
  const segments = left.dProjected ? [{ column: 0, row: 0, count: G / H }] : cell.input;
  const [values, stride] = left.dProjected ? [left.dProjected, G] : [room.gates, width];
  segments.forEach(({ column, row, count: blocks }, index) => {
    const count = blocks * H;
    const place = tail(values, column * H);
    const { weightIh } = gradients;
    if (weightIh && input instanceof Int32Array)
      scatterAdd(recorder, scratch, input, C, { place, row: stride, count }, tail(weightIh, row * H), G);
    else if (weightIh)
      products.addOuterProduct({
        operands: 'gradients',
        a: { place, row: 1, column: stride },
        b: { place: input as Place, row: C, column: 1 },
        ...{ output: part(weightIh, row * H * C, count * C), M: count, K: rows, P: C },
      });
    if (dInput)
      products.multiply({
        operands: 'gradients',
        a: { place, row: stride, column: 1 },
        b: { place: part(weights.weightIh, row * H * C, count * C), row: C, column: 1 },
        ...{ output: dInput, outputRow: C, M: rows, K: count, P: C, accumulate: index > 0 },
      });
  });
}

/** Gradients of gains, peepholes and the cell's normalisation, all steps at once. */
function optionGradients(
  { recorder, scratch }: Workshop,
  pass: Pass,
  { gradients }: CheckedBackward<Place>,
  left: Left,
): void {
  const { T, N, H, G, width, room } = pass;
  const rows = T * N;
  const { gainIh, gainHh, gainCell, biasCell, peephole } = gradients;
  if (gainIh && pass.input)
    addColumnSums(recorder, scratch, rows, inputColumns(pass), gainIh, { place: pass.input.values, row: G });
  if (gainHh && pass.hidden)
    addColumnSums(recorder, scratch, rows, hiddenColumns(pass), gainHh, {
      place: pass.hidden.values,
      row: G,
    });
  const dInside = left.dInside && { place: left.dInside, row: H, count: H };
  if (gainCell && dInside)
    addColumnSums(recorder, scratch, rows, dInside, gainCell, { place: pass.cells!.values, row: H });
  if (biasCell && dInside) addColumnSums(recorder, scratch, rows, dInside, biasCell);
  if (!peephole) return;
  for (const [gate, block, cells] of [
    [0, 0, room.cells],
    [1, 1, room.cells],
    [2, 3, left.fresh!],
  ] as const)
    addColumnSums(
      recorder,
      scratch,
      rows,
      { place: tail(room.gates, block * H), row: width, count: H },
      part(peephole, gate * H, H),
      { place: cells, row: H },
    );
}

/**
 * Backpropagation through time. First the time loop, which turns the saved gates into their gradients; then the gradients of parameters and input, each one
 * product over all steps at once.
 */
export function recurrentBackward(workshop: Workshop, { door }: Tensors, call: RecurrentBackward): void {
  const { recorder, scratch } = workshop;
  const checked = checkBackward(door, call);
  const { layer, saved, dh0, dc0 } = checked;
  const { T, N } = checked.pass;
  const unit = N * layer.hiddenSize;
  const pass = createPass({
    ...checked.pass,
    ...{ layer, T, first: 0, N, weights: checked.weights, room: saved },
    ...{ positions: null, plan: null, planSteps: T },
  });
  const [dh, dc] = [part(scratch('dh', unit), 0, unit), part(scratch('dc', unit), 0, unit)];
  for (const [state, final] of [
    [dh, checked.dhT],
    [dc, checked.dcT],
  ] as const) {
    if (final) copy(recorder, final, state);
    else fill(recorder, state, 0);
  }
  const left = leave(workshop, pass, checked.gradients.peephole !== null && layer.peephole === true);
  const recurrence = recurrenceOf(workshop, pass);
  if (recurrence === 'separate') throughTime(workshop, pass, checked, left, dh, dc);
  else fusedBackwardThroughTime(workshop, pass, recurrence, checked, { dh, dc, fresh: left.fresh });
  saved.pass = null;
  if (pass.input)
    normalizeBackward(
      workshop,
      pass,
      pass.input,
      left.dProjected!,
      { ...inputColumns(pass), shiftFrom: inputColumns(pass).shiftFrom!, shift: inputColumns(pass).shift! },
      0,
      T,
      0,
    );
  hiddenGradients(workshop, pass, checked, left);
  inputGradients(workshop, pass, checked, left);
  optionGradients(workshop, pass, checked, left);
  if (dh0) copy(recorder, dh, dh0);
  if (dc0) copy(recorder, dc, dc0);
}
