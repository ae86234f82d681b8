import type { LogSoftmax, SoftmaxCrossEntropy } from '../backend.ts';
import { checkLogSoftmax, checkLoss } from '../checks/loss.ts';
import { exponential, logarithm } from '../elementary.ts';
import type { Engine, RealArray } from '../engine.ts';

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
  const checked = checkLoss(engine, call);
  const { rows, V, logits, targets, loss, correct, losses, dLogits } = checked;
  const powers = engine.scratchDoubles('powers', V);
  let total = 0;
  let hits = 0;
  for (let row = 0; row < rows; row++) {
    const at = row * V;
    const target = targets[row]!;
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
    const scale = 1 / (sum * checked.count);
    powers[target] = powers[target]! - sum;
    for (let v = 0; v < V; v++) dLogits[at + v] = powers[v]! * scale;
  }
  if (correct) correct[0] = (checked.accumulate ? correct[0]! : 0) + hits;
  loss[0] = (checked.accumulate ? loss[0]! : 0) + total / checked.count;
}

/** output = logits − log Σ exp(logits), row by row. */
export function logSoftmax(engine: Engine, call: LogSoftmax): void {
  const { rows, V, logits, output } = checkLogSoftmax(engine, call);
  for (let row = 0; row < rows; row++) {
    const at = row * V;
    const max = largest(logits, at, V);
    let sum = 0;
    for (let v = 0; v < V; v++) sum += exponential(logits[at + v]! - max);
    const log = logarithm(sum);
    for (let v = 0; v < V; v++) output[at + v] = logits[at + v]! - max - log;
  }
}
