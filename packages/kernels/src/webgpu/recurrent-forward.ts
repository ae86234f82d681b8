import type { RecurrentForward, RecurrentStep } from '../backend.ts';
import { type CheckedForward, checkForward, checkStep, passOf, type Saved } from '../checks/recurrent.ts';
import { type ForwardReal, forward } from './cell-forward.ts';
import { copy, fill } from './elementwise.ts';
import { gridFor } from './grid.ts';
import { schedule } from './normalization.ts';
import { type Place, part } from './place.ts';
import { fusedForwardThroughTime, recurrenceOf } from './recurrence.ts';
import {
  createPass,
  frameNumbers,
  normalize,
  type Pass,
  type Room,
  roomSizes,
  stepOf,
  type Workshop,
} from './recurrent-pass.ts';
import { gather } from './rows.ts';
import type { Tensors } from './tensors.ts';

/** Without saved activations a pass is cut into chunks of steps whose gates take at most so many elements. */
const chunkElements = 2 ** 24;

/** How many sequences have a step t. */
function presentAt(lengths: Int32Array | null, N: number, t: number): number {
  return lengths ? lengths.reduce((count, length) => count + Number(t < length), 0) : N;
}

function scheduleOf({ recorder, scratch }: Workshop, checked: CheckedForward<Place>): Place | null {
  const { T, N, statistics, lengths, firstStep, training } = checked;
  if (!statistics) return null;
  const plan = scratch('schedule', 2 * T + 1);
  const present = Int32Array.from({ length: T }, (_, t) => presentAt(lengths, N, t));
  const numbers = {
    T,
    rows: statistics.batches.length,
    first_step: firstStep,
    training: Number(training !== null),
  };
  recorder.dispatch(
    schedule,
    { reals: { batches: statistics.batches, plan }, ints: { present }, numbers },
    [1],
  );
  return plan;
}

/** U x of all steps of the pass: into the gates, or where it is normalised. */
function projectInput(
  { recorder, products }: Workshop,
  { layer, T, N, H, G, width, cell, weights, room, input: norm }: Pass,
  input: Place | Int32Array,
): void {
  const segments = norm ? [{ column: 0, row: 0, count: G / H }] : cell.input;
  const [target, row] = norm ? [norm.values, G] : [room.gates, width];
  const C = layer.inputSize;
  for (const segment of segments) {
    const count = segment.count * H;
    const from = segment.column * H;
    const output = part(target, from, target.length - from);
    const { weightIh } = weights;
    if (input instanceof Int32Array)
      gather(recorder, part(weightIh, segment.row * H, weightIh.length - segment.row * H), G, input, {
        place: output,
        row,
        count,
      });
    else
      products.multiply({
        a: { place: input, row: C, column: 1 },
        b: { place: part(weightIh, segment.row * H * C, count * C), row: 1, column: C },
        ...{ output, outputRow: row, M: T * N, K: C, P: count },
      });
  }
}

/** The time loop over the steps of a pass. `previous`: h before it; the room's first cells are c before it. */
function throughTime(
  workshop: Workshop,
  pass: Pass,
  { injected, output, previous }: { injected: Place | null; output: Place; previous: Place },
): void {
  const { recorder, scratch, products } = workshop;
  const { T, N, H, G, width, cell, layer, weights, room, lengths, training } = pass;
  const unit = N * H;
  const isRecurrent = cell.hidden.length > 0;
  const scratchProduct = isRecurrent && !pass.hidden ? scratch('hidden product', N * G) : null;
  const isLstm = cell.kind === 'lstm';
  const ints = { lengths, sequences: training?.sequences ?? null };
  let before = previous;
  for (let t = 0; t < T; t++) {
    const gates = stepOf(room.gates, t, N, width);
    const hidden = pass.hidden ? stepOf(pass.hidden.values, t, N, G) : scratchProduct;
    const reals: Record<ForwardReal, Place | null> = {
      gates,
      projected: pass.input && stepOf(pass.input.values, t, N, G),
      hidden,
      gain_ih: pass.input ? weights.gainIh : null,
      gain_hh: pass.hidden ? weights.gainHh : null,
      injected: injected && stepOf(injected, t, N, G),
      bias_ih: weights.biasIh,
      bias_hh: isRecurrent ? weights.biasHh : null,
      peephole: layer.peephole ? weights.peephole : null,
      previous: before,
      output: stepOf(output, t, N, H),
      cells_before: isLstm ? stepOf(room.cells, t, N, H) : null,
      cells_now: isLstm ? stepOf(room.cells, t + 1, N, H) : null,
      inner: pass.cells && stepOf(pass.cells.values, t, N, H),
      gain_cell: pass.cells ? weights.gainCell : null,
      bias_cell: pass.cells ? weights.biasCell : null,
    };
    const call = { reals, ints, numbers: { ...frameNumbers(pass, t), count: unit } };
    const run = (kernel: (typeof forward)[keyof typeof forward]) =>
      recorder.dispatch(kernel, call, gridFor(unit));
    cell.hidden.forEach(({ row, count, source }, range) => {
      if (source !== null) run(forward.gruReset);
      const from = source === null ? before : part(gates, source * H, gates.length - source * H);
      products.multiply({
        isStep: true,
        a: { place: from, row: source === null ? H : width, column: 1 },
        b: { place: part(weights.weightHh, row * H * H, count * H * H), row: 1, column: H },
        output: part(hidden!, row * H, hidden!.length - row * H),
        ...{ outputRow: G, M: N, K: H, P: count * H },
      });
      if (pass.hidden) normalize(workshop, pass, pass.hidden, t, 1, range);
    });
    if (pass.cells) {
      run(forward.lstmFirst);
      normalize(workshop, pass, pass.cells, t, 1, 0);
      run(forward.lstmSecond);
    } else run(layer.reset === 'before' && cell.kind === 'gru' ? forward.gruBefore : forward[cell.kind]);
    before = stepOf(output, t, N, H);
  }
}

/** hT[n] ← h after the last step of sequence n. */
function finalStates(
  { recorder }: Workshop,
  { T, N, lengths, layer, hT }: CheckedForward<Place>,
  first: Place,
  output: Place,
): void {
  const H = layer.hiddenSize;
  if (!hT) return;
  if (!lengths) {
    copy(recorder, stepOf(output, T - 1, N, H), hT);
    return;
  }
  const rows = { place: hT, row: H, count: H };
  gather(
    recorder,
    output,
    H,
    Int32Array.from(lengths, (length, n) => (length === 0 ? -1 : (length - 1) * N + n)),
    rows,
  );
  // Sequences without a step keep what they had.
  for (const [n, length] of lengths.entries())
    if (length === 0) copy(recorder, part(first, n * H, H), part(hT, n * H, H));
}

function setOrZero({ recorder }: Workshop, target: Place, source: Place | null): void {
  if (source) copy(recorder, source, target);
  else fill(recorder, target, 0);
}

function run(
  workshop: Workshop,
  checked: CheckedForward<Place>,
  output: Place,
  saved: Saved<Place> | null,
): void {
  const { recorder, scratch } = workshop;
  const { layer, T, N, input, injected, cT } = checked;
  const H = layer.hiddenSize;
  const unit = N * H;
  const perStep = roomSizes(layer, 1, N).gates;
  const most = saved ? T : Math.min(T, Math.max(1, Math.floor(chunkElements / perStep)));
  const sizes = roomSizes(layer, most, N);
  const room: Room = saved ?? {
    gates: scratch('gates', sizes.gates),
    cells: scratch('cells', sizes.cells),
    first: scratch('first state', sizes.first),
    normalized: scratch('normalized', sizes.normalized),
    inverses: scratch('inverses', sizes.inverses),
  };
  const isLstm = layer.cell === 'lstm';
  setOrZero(workshop, part(room.first, 0, unit), checked.h0);
  if (isLstm) setOrZero(workshop, part(room.cells, 0, unit), checked.c0);
  const plan = scheduleOf(workshop, checked);
  let previous = room.first;
  for (let first = 0; first < T; first += most) {
    const steps = Math.min(most, T - first);
    const pass = createPass({ ...checked, T: steps, first, room, plan, planSteps: T });
    const own = (place: Place, columns: number) => part(place, first * N * columns, steps * N * columns);
    projectInput(
      workshop,
      pass,
      input instanceof Int32Array
        ? input.subarray(first * N, (first + steps) * N)
        : own(input, layer.inputSize),
    );
    if (pass.input) normalize(workshop, pass, pass.input, 0, steps, 0);
    const part_ = { injected: injected && own(injected, pass.G), output: own(output, H), previous };
    const recurrence = recurrenceOf(workshop, pass);
    if (recurrence === 'separate') throughTime(workshop, pass, part_);
    else fusedForwardThroughTime(workshop, pass, recurrence, part_);
    previous = stepOf(output, first + steps - 1, N, H);
    if (isLstm && first + steps < T)
      copy(recorder, stepOf(room.cells, steps, N, H), stepOf(room.cells, 0, N, H));
    if (isLstm && first + steps === T && cT) copy(recorder, stepOf(room.cells, steps, N, H), cT);
  }
  finalStates(workshop, checked, room.first, output);
}

export function recurrentForward(workshop: Workshop, { door }: Tensors, call: RecurrentForward): void {
  const checked = checkForward(door, call);
  run(workshop, checked, checked.output, checked.saved);
  if (checked.saved) checked.saved.pass = passOf(checked, call.input);
}

export function recurrentStep(workshop: Workshop, { door }: Tensors, call: RecurrentStep): void {
  const checked = checkStep(door, call);
  const size = checked.N * checked.layer.hiddenSize;
  run(workshop, checked, part(workshop.scratch('step output', size), 0, size), null);
}
