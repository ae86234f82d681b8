import type { TokenLevel } from '../text/tokenizer.ts';
import type { MetricSums } from './training-state.ts';

/** Leaves out what is not a finite number, such as the perplexity of a hopeless loss. */
const finiteOnly = (values: Record<string, number | null>): Record<string, number> =>
  Object.fromEntries(
    Object.entries(values).filter((entry): entry is [string, number] => Number.isFinite(entry[1])),
  );

export interface MetricContext {
  level: TokenLevel;
  /** Tokens of one step. */
  tokensPerStep: number;
  learningRate: number;
  /** Epochs done, with the fraction of the current one. */
  epoch: number;
  tokensPerSecond: number | null;
  etaSeconds: number | null;
}

/**
 * The averages over a window of steps. `perplexity`, `bits_per_character` and `accuracy` are, like `loss`, those of the training data with
 * dropout; `validation_loss` stands beside them.
 */
export const windowMetrics = (sums: MetricSums, context: MetricContext): Record<string, number> => {
  const loss = sums.loss / sums.steps;
  return finiteOnly({
    loss,
    perplexity: Math.exp(loss),
    bits_per_character: context.level === 'word' ? null : loss / Math.LN2,
    accuracy: sums.correct / (sums.steps * context.tokensPerStep),
    gradient_norm: sums.gradient_norm / sums.steps,
    learning_rate: context.learningRate,
    tokens_per_second: context.tokensPerSecond,
    epoch: context.epoch,
    eta_seconds: context.etaSeconds,
  });
};
