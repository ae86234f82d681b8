import type { LogSoftmax, SoftmaxCrossEntropy } from '../backend.ts';
import {
  columnsOf,
  type Door,
  expectNumber,
  expectSeparate,
  type RealArray,
  type Region,
  rowsOf,
} from '../engine.ts';

export interface CheckedLoss<R = RealArray, D = Float64Array> {
  readonly rows: number;
  readonly V: number;
  readonly logits: R;
  readonly targets: Int32Array;
  readonly count: number;
  readonly accumulate: boolean;
  readonly loss: D;
  readonly correct: D | null;
  readonly losses: R | null;
  readonly dLogits: R | null;
}

export function checkLoss<R extends Region, D>(
  engine: Door<R, D>,
  call: SoftmaxCrossEntropy,
): CheckedLoss<R, D> {
  const { count, accumulate = false } = call;
  const V = columnsOf(call.logits);
  const rows = rowsOf(call.logits);
  const lead = call.logits.shape.slice(0, -1);
  const logits = engine.reals(call.logits, 'loss logits');
  const targets = engine.ints(call.targets, 'loss targets', lead);
  const loss = engine.doubles(call.loss, 'loss');
  const correct = call.correct ? engine.doubles(call.correct, 'loss correct') : null;
  const losses = call.losses && engine.reals(call.losses, 'losses', lead);
  const dLogits = call.dLogits && engine.reals(call.dLogits, 'loss dLogits', call.logits.shape);
  expectNumber(count, 'loss count', count > 0, 'a number above 0');
  if (call.dLogits !== call.logits) expectSeparate(call.dLogits, 'loss dLogits', [call.logits]);
  for (let row = 0; row < rows; row++) {
    const target = targets[row]!;
    if (target < -1 || target >= V)
      throw new RangeError(
        `Expected targets from -1 to ${V - 1} for loss targets but received ${target} at ${row}.`,
      );
  }
  return { rows, V, logits, targets, count, accumulate, loss, correct, losses, dLogits };
}

export interface CheckedLogSoftmax<R = RealArray> {
  readonly rows: number;
  readonly V: number;
  readonly logits: R;
  readonly output: R;
}

export function checkLogSoftmax<R extends Region>(
  engine: Door<R, unknown>,
  call: LogSoftmax,
): CheckedLogSoftmax<R> {
  const logits = engine.reals(call.logits, 'log-softmax logits');
  const output = engine.reals(call.output, 'log-softmax output', call.logits.shape);
  if (call.output !== call.logits) expectSeparate(call.output, 'log-softmax output', [call.logits]);
  return { rows: rowsOf(call.logits), V: columnsOf(call.logits), logits, output };
}
