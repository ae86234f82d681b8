import type { Backend } from '../backend.ts';
import { checkLogSoftmax, checkLoss } from '../checks/loss.ts';
import {
  type CheckedRowLoss,
  checkBernoulli,
  checkSoftmax,
  checkSoftmaxBackward,
  checkSquaredError,
} from '../checks/row-loss.ts';
import { elementary } from './elementary.ts';
import { gridOf, groupIndex, reducing } from './grid.ts';
import { defineKernel } from './kernel.ts';
import { type Place, part } from './place.ts';
import type { Recorder } from './recorder.ts';
import { sumInto } from './scalars.ts';
import type { Scratch } from './scratch.ts';
import type { Tensors } from './tensors.ts';

const lanes = 64;

const perColumn = (body: string) => `for (var v = lane; v < p.columns; v += ${lanes}u) { ${body} }`;

/** A kernel with a workgroup for each row of `p.columns` numbers, from `at` on: sums have an order that the columns alone decide. */
function rowKernel<Real extends string, Int extends string = never, Num extends string = never>({
  name,
  reals,
  ints = [],
  numbers = {} as Record<Num, 'f32'>,
  body,
}: {
  name: string;
  reals: readonly Real[];
  ints?: readonly Int[];
  numbers?: Readonly<Record<Num, 'f32' | 'u32'>>;
  body: string;
}) {
  return defineKernel({
    name,
    reals,
    ints,
    numbers: { ...numbers, rows: 'u32', columns: 'u32' } as Record<Num | 'rows' | 'columns', 'f32' | 'u32'>,
    code: reducing(
      lanes,
      elementary,
      `let row = ${groupIndex};
  if (row >= p.rows) { return; }
  let at = row * p.columns;
  ${body}`,
    ),
  });
}

/** WGSL: `highest`, the largest of a row of `logits`; what it does with NaN does not matter, since NaN then spreads through the sum. */
const highest = `
  var highest = logits(at);
  ${perColumn('let value = logits(at + v); if (value > highest) { highest = value; }')}
  highest = largest_of(highest, lane);`;
const powers = `
  var powers = 0.0;
  ${perColumn('powers += exponential(logits(at + v) - highest);')}
  let sum = sum_of(powers, lane);`;

const kernels = {
  crossEntropy: rowKernel({
    name: 'softmax cross-entropy',
    reals: ['logits', 'row_losses', 'losses', 'hits', 'd_logits'],
    ints: ['targets'],
    numbers: { count: 'f32' },
    body: `let id = targets(row);
  if (id < 0) {
    if (lane == 0u) {
      set_row_losses(row, 0.0);
      if (has_losses()) { set_losses(row, 0.0); }
      if (has_hits()) { set_hits(row, 0.0); }
    }
    if (has_d_logits()) { ${perColumn('set_d_logits(at + v, 0.0);')} }
    return;
  }
  let chosen = u32(id);
  ${highest}
  ${powers}
  let own = logits(at + chosen);
  // Of equal logits, the first is the prediction.
  var earlier = 0.0;
  if (has_hits()) { for (var v = lane; v < chosen; v += ${lanes}u) { if (logits(at + v) == highest) { earlier += 1.0; } } }
  let before = sum_of(earlier, lane);
  if (lane == 0u) {
    let value = logarithm(sum) - (own - highest);
    set_row_losses(row, value);
    if (has_losses()) { set_losses(row, value); }
    if (has_hits()) { set_hits(row, select(0.0, 1.0, own == highest && before == 0.0)); }
  }
  if (!has_d_logits()) { return; }
  // The gradient may stand where the logits do: they have been read by now.
  storageBarrier();
  let scale = 1.0 / (sum * p.count);
  ${perColumn(`let power = exponential(logits(at + v) - highest);
    set_d_logits(at + v, select(power, power - sum, v == chosen) * scale);`)}`,
  }),
  logSoftmax: rowKernel({
    name: 'log-softmax',
    reals: ['logits', 'output'],
    body: `${highest}${powers}
  let log_sum = logarithm(sum);
  ${perColumn('set_output(at + v, logits(at + v) - highest - log_sum);')}`,
  }),
  softmax: rowKernel({
    name: 'softmax',
    reals: ['logits', 'output'],
    body: `${highest}${powers}
  ${perColumn('set_output(at + v, exponential(logits(at + v) - highest) / sum);')}`,
  }),
  softmaxBackward: rowKernel({
    name: 'softmax backward',
    reals: ['output', 'd_output', 'd_logits'],
    numbers: { accumulate: 'u32' },
    body: `var own = 0.0;
  ${perColumn('own = fma(output(at + v), d_output(at + v), own);')}
  let mean = sum_of(own, lane);
  ${perColumn(`var gradient = output(at + v) * (d_output(at + v) - mean);
    if (p.accumulate != 0u) { gradient += d_logits(at + v); }
    set_d_logits(at + v, gradient);`)}`,
  }),
  squaredError: rowLossKernel('squared error', '(x - y) * (x - y)', '2.0 * (x - y)'),
  // ln(1 + e^x) - y x, the logarithm's argument kept between 1 and 2.
  bernoulli: rowLossKernel(
    'Bernoulli cross-entropy',
    'select(0.0, x, x > 0.0) + logarithm(1.0 + exponential(select(x, -x, x > 0.0))) - y * x',
    'sigmoid(x) - y',
  ),
};

function rowLossKernel(name: string, value: string, slope: string) {
  return rowKernel({
    name,
    reals: ['predictions', 'goals', 'row_losses', 'losses', 'd_predictions'],
    ints: ['mask'],
    numbers: { count: 'f32' },
    body: `var counts = true;
  if (has_mask()) { counts = mask(row) != 0; }
  var own = 0.0;
  if (counts) {
    ${perColumn(`let x = predictions(at + v);
      let y = goals(at + v);
      own += ${value};
      if (has_d_predictions()) { set_d_predictions(at + v, (${slope}) / p.count); }`)}
  } else if (has_d_predictions()) { ${perColumn('set_d_predictions(at + v, 0.0);')} }
  let sum = sum_of(own, lane);
  if (lane == 0u) {
    set_row_losses(row, sum);
    if (has_losses()) { set_losses(row, sum); }
  }`,
  });
}

/** Softmaxes and losses, a workgroup for each row. */
export function lossKernels(
  recorder: Recorder,
  scratch: Scratch,
  { door }: Tensors,
): Pick<
  Backend,
  | 'softmaxCrossEntropy'
  | 'logSoftmax'
  | 'softmax'
  | 'softmaxBackward'
  | 'squaredError'
  | 'bernoulliCrossEntropy'
> {
  function rowLoss(
    kernel: ReturnType<typeof rowLossKernel>,
    {
      rows,
      D,
      predictions,
      targets,
      mask,
      count,
      accumulate,
      loss,
      losses,
      dPredictions,
    }: CheckedRowLoss<Place, Place>,
  ): void {
    const rowLosses = part(scratch('row losses', rows), 0, rows);
    const reals = { predictions, goals: targets, row_losses: rowLosses, losses, d_predictions: dPredictions };
    recorder.dispatch(kernel, { reals, ints: { mask }, numbers: { count, rows, columns: D } }, gridOf(rows));
    sumInto(recorder, scratch, rowLosses, loss, { factor: 1 / count, accumulate });
  }

  return {
    softmaxCrossEntropy(call) {
      const { rows, V, logits, targets, count, accumulate, loss, correct, losses, dLogits } = checkLoss(
        door,
        call,
      );
      const rowLosses = part(scratch('row losses', rows), 0, rows);
      const hits = correct && part(scratch('hits', rows), 0, rows);
      const reals = { logits, row_losses: rowLosses, losses, hits, d_logits: dLogits };
      const numbers = { count, rows, columns: V };
      recorder.dispatch(kernels.crossEntropy, { reals, ints: { targets }, numbers }, gridOf(rows));
      sumInto(recorder, scratch, rowLosses, loss, { factor: 1 / count, accumulate });
      if (correct && hits) sumInto(recorder, scratch, hits, correct, { accumulate });
    },
    logSoftmax(call) {
      const { rows, V, logits, output } = checkLogSoftmax(door, call);
      const numbers = { rows, columns: V };
      recorder.dispatch(kernels.logSoftmax, { reals: { logits, output }, ints: {}, numbers }, gridOf(rows));
    },
    softmax(call) {
      const { rows, V, logits, output } = checkSoftmax(door, call);
      const numbers = { rows, columns: V };
      recorder.dispatch(kernels.softmax, { reals: { logits, output }, ints: {}, numbers }, gridOf(rows));
    },
    softmaxBackward(call) {
      const { rows, V, output, dOutput, dLogits, accumulate } = checkSoftmaxBackward(door, call);
      const reals = { output, d_output: dOutput, d_logits: dLogits };
      const numbers = { accumulate: Number(accumulate), rows, columns: V };
      recorder.dispatch(kernels.softmaxBackward, { reals, ints: {}, numbers }, gridOf(rows));
    },
    squaredError: (call) => rowLoss(kernels.squaredError, checkSquaredError(door, call)),
    bernoulliCrossEntropy: (call) => rowLoss(kernels.bernoulli, checkBernoulli(door, call)),
  };
}
