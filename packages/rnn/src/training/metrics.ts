import type { TokenLevel } from '../text/tokenizer.ts';
import type { MetricSums } from './training-state.ts';

/** Leaves out what is not a finite number, such as the perplexity of a hopeless loss. */
const finiteOnly = (values: Record<string, number | null>): Record<string, number> =>
  Object.fromEntries(
    Object.entries(values).filter((entry): entry is [string, number] => Number.isFinite(entry[1])),
  );

export interface MetricContext {
  /** What is predicted: text of a level, other tokens or labels, or numbers. */
  output: TokenLevel | 'names' | 'numbers';
  /** Whether sequences end by a head of their own. */
  ends: boolean;
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
  const loss = sums.loss / sums.weight;
  return finiteOnly({
    loss,
    length_loss: context.ends ? sums.length_loss / sums.length_weight : null,
    perplexity: context.output === 'numbers' ? null : Math.exp(loss),
    bits_per_character: context.output === 'char' || context.output === 'byte' ? loss / Math.LN2 : null,
    accuracy: context.output === 'numbers' ? null : sums.correct / sums.targets,
    gradient_norm: sums.gradient_norm / sums.steps,
    learning_rate: context.learningRate,
    tokens_per_second: context.tokensPerSecond,
    epoch: context.epoch,
    eta_seconds: context.etaSeconds,
  });
};
