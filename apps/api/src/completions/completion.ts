import type { CompletionResource, CompletionUsage } from '@unfold/contracts';
import { randomHex } from '../http/request-id.ts';
import type { Chunks, CompletionResult } from '../inference/protocol.ts';
import type { ApiMetrics } from '../metrics.ts';

/** A completion on its way. */
export interface Completion {
  /** What is the same in the answer and in all of its events. */
  head: Pick<CompletionResource, 'id' | 'object' | 'created' | 'model' | 'session'>;
  /** Of all prompts together. */
  choices: number;
  chunks: Chunks;
}

/** @param session the id of the session that the text goes on with, if any */
export const completionHead = (model: string, session: string | null): Completion['head'] => ({
  id: `cmpl-${randomHex()}`,
  object: 'text_completion',
  created: Math.floor(Date.now() / 1000),
  model,
  ...(session !== null && { session }),
});

/** Counts what was read and written, for the caller and for the operator. */
export const countTokens = (
  metrics: Pick<ApiMetrics, 'inferenceTokens'>,
  { prompt_tokens, completion_tokens, cached_tokens }: CompletionResult,
): CompletionUsage => {
  metrics.inferenceTokens.inc({ kind: 'prompt' }, prompt_tokens);
  metrics.inferenceTokens.inc({ kind: 'completion' }, completion_tokens);
  return {
    prompt_tokens,
    completion_tokens,
    total_tokens: prompt_tokens + completion_tokens,
    prompt_tokens_details: { cached_tokens },
  };
};
