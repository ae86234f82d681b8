import type { LogSoftmax, SoftmaxCrossEntropy } from '../backend.ts';
import { exponential, logarithm } from '../elementary.ts';
import { columnsOf, type Engine, expectNumber, expectSeparate, type RealArray, rowsOf } from './engine.ts';

/** The largest element of a row; what it does with NaN does not matter, since NaN then spreads through the sum. */
function largest(logits: RealArray, at: number, V: number): number {
  let max = logits[at]!;
  for (let v = 1; v < V; v++) if (logits[at + v]! > max) max = logits[at + v]!;
  return max;
}

/** Whether the target's logit is the highest of its row; of equal ones, the first wins. */
function isFirstMaximum(logits: RealArray, at: number, target: number, max: number): boolean {
  if (logits[at + target]! !== max) return false;
  for (let v = 0; v < target; v++) if (logits[at + v]! === max) return false;
  return true;
}

/** Mean of −log softmax(logits)[target] and its gradient; the largest logit is subtracted first, sums are in double. */
export function softmaxCrossEntropy(engine: Engine, call: SoftmaxCrossEntropy): void {
  const V = columnsOf(call.logits);
  const rows = rowsOf(call.logits);
  const lead = call.logits.shape.slice(0, -1);
  const logits = engine.reals(call.logits, 'loss logits');
  const targets = engine.ints(call.targets, 'loss targets', lead);
  const loss = engine.doubles(call.loss, 'loss');
  const correct = call.correct ? engine.doubles(call.correct, 'loss correct') : null;
  const losses = call.losses && engine.reals(call.losses, 'losses', lead);
  const dLogits = call.dLogits && engine.reals(call.dLogits, 'loss dLogits', call.logits.shape);
  expectNumber(call.count, 'loss count', call.count > 0, 'a number above 0');
  if (call.dLogits !== call.logits) expectSeparate(call.dLogits, 'loss dLogits', [call.logits]);
  const powers = engine.scratchDoubles('powers', V);
  let total = 0;
  let hits = 0;
  for (let row = 0; row < rows; row++) {
    const at = row * V;
    const target = targets[row]!;
    if (target < -1 || target >= V)
      throw new RangeError(
        `Expected targets from -1 to ${V - 1} for loss targets but received ${target} at ${row}.`,
      );
    if (target === -1) {
      if (losses) losses[row] = 0;
      if (dLogits) dLogits.fill(0, at, at + V);
      continue;
    }
    const max = largest(logits, at, V);
    if (correct && isFirstMaximum(logits, at, target, max)) hits++;
    let sum = 0;
    for (let v = 0; v < V; v++) sum += powers[v] = exponential(logits[at + v]! - max);
    const value = logarithm(sum) - (logits[at + target]! - max);
    total += value;
    if (losses) losses[row] = value;
    if (!dLogits) continue;
    const scale = 1 / (sum * call.count);
    powers[target] = powers[target]! - sum;
    for (let v = 0; v < V; v++) dLogits[at + v] = powers[v]! * scale;
  }
  if (correct) correct[0] = (call.accumulate ? correct[0]! : 0) + hits;
  loss[0] = (call.accumulate ? loss[0]! : 0) + total / call.count;
}

/** output = logits − log Σ exp(logits), row by row. */
export function logSoftmax(engine: Engine, call: LogSoftmax): void {
  const V = columnsOf(call.logits);
  const rows = rowsOf(call.logits);
  const logits = engine.reals(call.logits, 'log-softmax logits');
  const output = engine.reals(call.output, 'log-softmax output', call.logits.shape);
  if (call.output !== call.logits) expectSeparate(call.output, 'log-softmax output', [call.logits]);
  for (let row = 0; row < rows; row++) {
    const at = row * V;
    const max = largest(logits, at, V);
    let sum = 0;
    for (let v = 0; v < V; v++) sum += exponential(logits[at + v]! - max);
    const log = logarithm(sum);
    for (let v = 0; v < V; v++) output[at + v] = logits[at + v]! - max - log;
  }
}
