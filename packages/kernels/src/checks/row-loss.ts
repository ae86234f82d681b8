import type { BernoulliCrossEntropy, Softmax, SoftmaxBackward, SquaredError, Tensor } from '../backend.ts';
import {
  columnsOf,
  type Door,
  expectNumber,
  expectSeparate,
  type RealArray,
  type Region,
  rowsOf,
} from '../engine.ts';

/** A loss over rows of D numbers. */
export interface CheckedRowLoss<R = RealArray, D = Float64Array> {
  readonly rows: number;
  readonly D: number;
  readonly predictions: R;
  readonly targets: R;
  readonly mask: Int32Array | null;
  readonly count: number;
  readonly accumulate: boolean;
  readonly loss: D;
  readonly losses: R | null;
  readonly dPredictions: R | null;
}

function checkRowLoss<R extends Region, D>(
  engine: Door<R, D>,
  name: string,
  call: SquaredError | BernoulliCrossEntropy,
  values: Tensor,
  gradient: Tensor | null,
): CheckedRowLoss<R, D> {
  const { count, accumulate = false } = call;
  const lead = values.shape.slice(0, -1);
  const predictions = engine.reals(values, `${name} predictions`);
  const targets = engine.reals(call.targets, `${name} targets`, values.shape);
  const mask = call.mask ? engine.ints(call.mask, `${name} mask`, lead) : null;
  const loss = engine.doubles(call.loss, `${name} loss`);
  const losses = call.losses && engine.reals(call.losses, `${name} losses`, lead);
  const dPredictions = gradient && engine.reals(gradient, `${name} gradient`, values.shape);
  expectNumber(count, `${name} count`, count > 0, 'a number above 0');
  if (gradient !== values) expectSeparate(gradient, `${name} gradient`, [values]);
  expectSeparate(gradient, `${name} gradient`, [call.targets]);
  return {
    rows: rowsOf(values),
    D: columnsOf(values),
    predictions,
    targets,
    mask,
    count,
    accumulate,
    loss,
    losses,
    dPredictions,
  };
}

export function checkSquaredError<R extends Region, D>(
  engine: Door<R, D>,
  call: SquaredError,
): CheckedRowLoss<R, D> {
  return checkRowLoss(engine, 'squared error', call, call.predictions, call.dPredictions);
}

export function checkBernoulli<R extends Region, D>(
  engine: Door<R, D>,
  call: BernoulliCrossEntropy,
): CheckedRowLoss<R, D> {
  return checkRowLoss(engine, 'Bernoulli cross-entropy', call, call.logits, call.dLogits);
}

export function checkSoftmax<R extends Region>(engine: Door<R, unknown>, call: Softmax) {
  const logits = engine.reals(call.logits, 'softmax logits');
  const output = engine.reals(call.output, 'softmax output', call.logits.shape);
  if (call.output !== call.logits) expectSeparate(call.output, 'softmax output', [call.logits]);
  return { rows: rowsOf(call.logits), V: columnsOf(call.logits), logits, output };
}

export function checkSoftmaxBackward<R extends Region>(engine: Door<R, unknown>, call: SoftmaxBackward) {
  const { accumulate = false } = call;
  const { shape } = call.output;
  const output = engine.reals(call.output, 'softmax output');
  const dOutput = engine.reals(call.dOutput, 'softmax dOutput', shape);
  const dLogits = engine.reals(call.dLogits, 'softmax dLogits', shape);
  if (accumulate || call.dLogits !== call.dOutput)
    expectSeparate(call.dLogits, 'softmax dLogits', [call.dOutput]);
  expectSeparate(call.dLogits, 'softmax dLogits', [call.output]);
  return { rows: rowsOf(call.output), V: columnsOf(call.output), output, dOutput, dLogits, accumulate };
}
