import type { CompletionResource } from '@unfold/contracts';
import type { CompletionChunk } from '../inference/protocol.ts';
import type { ApiMetrics } from '../metrics.ts';
import { type Completion, countTokens } from './completion.ts';

/** The whole text of every choice in one answer. */
export const answerWhole = async (
  metrics: Pick<ApiMetrics, 'inferenceTokens'>,
  { head, choices: count, chunks }: Completion,
): Promise<CompletionResource> => {
  // Asked for as a whole, each choice comes as one chunk, in the order in which they end.
  const choices = new Array<CompletionChunk>(count);
  let step = await chunks.next();
  for (; !step.done; step = await chunks.next()) choices[step.value.index] = step.value;
  return {
    ...head,
    choices: choices.map(({ index, text, logprobs, finish_reason }) => ({
      index,
      text,
      logprobs,
      finish_reason: finish_reason ?? 'length',
    })),
    usage: countTokens(metrics, step.value),
  };
};
