import type { BernoulliCrossEntropy, Softmax, SoftmaxBackward, SquaredError } from '../backend.ts';
import {
  type CheckedRowLoss,
  checkBernoulli,
  checkSoftmax,
  checkSoftmaxBackward,
  checkSquaredError,
} from '../checks/row-loss.ts';
import { exponential, logarithm, sigmoid } from '../elementary.ts';
import type { Engine } from '../engine.ts';
import { largest } from './loss.ts';

/** The sum of `value(prediction, target)` over all rows that count, and `slope` as its gradient; sums are in double, in order. */
function rowLoss(
  { rows, D, predictions, targets, mask, count, accumulate, loss, losses, dPredictions }: CheckedRowLoss,
  value: (prediction: number, target: number) => number,
  slope: (prediction: number, target: number) => number,
): void {
  let total = 0;
  for (let row = 0; row < rows; row++) {
    const [from, to] = [row * D, (row + 1) * D];
    if (mask && mask[row] === 0) {
      if (losses) losses[row] = 0;
      if (dPredictions) dPredictions.fill(0, from, to);
      continue;
    }
    let sum = 0;
    for (let i = from; i < to; i++) {
      sum += value(predictions[i]!, targets[i]!);
      if (dPredictions) dPredictions[i] = slope(predictions[i]!, targets[i]!) / count;
    }
    total += sum;
    if (losses) losses[row] = sum;
  }
  loss[0] = (accumulate ? loss[0]! : 0) + total / count;
}

export function squaredError(engine: Engine, call: SquaredError): void {
  rowLoss(
    checkSquaredError(engine, call),
    (x, y) => (x - y) * (x - y),
    (x, y) => 2 * (x - y),
  );
}

/** ln(1 + eˣ) − y x, the logarithm's argument kept between 1 and 2. */
export function bernoulliCrossEntropy(engine: Engine, call: BernoulliCrossEntropy): void {
  rowLoss(
    checkBernoulli(engine, call),
    (x, y) => (x > 0 ? x : 0) + logarithm(1 + exponential(x > 0 ? -x : x)) - y * x,
    (x, y) => sigmoid(x) - y,
  );
}

export function softmax(engine: Engine, call: Softmax): void {
  const { rows, V, logits, output } = checkSoftmax(engine, call);
  const powers = engine.scratchDoubles('powers', V);
  for (let row = 0; row < rows; row++) {
    const at = row * V;
    const max = largest(logits, at, V);
    let sum = 0;
    for (let v = 0; v < V; v++) sum += powers[v] = exponential(logits[at + v]! - max);
    for (let v = 0; v < V; v++) output[at + v] = powers[v]! / sum;
  }
}

export function softmaxBackward(engine: Engine, call: SoftmaxBackward): void {
  const { rows, V, output, dOutput, dLogits, accumulate } = checkSoftmaxBackward(engine, call);
  for (let row = 0; row < rows; row++) {
    const at = row * V;
    let mean = 0;
    for (let v = 0; v < V; v++) mean += output[at + v]! * dOutput[at + v]!;
    for (let i = at; i < at + V; i++) {
      const gradient = output[i]! * (dOutput[i]! - mean);
      dLogits[i] = accumulate ? dLogits[i]! + gradient : gradient;
    }
  }
}
