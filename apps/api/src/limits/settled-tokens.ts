import type { CompletionChunk, CompletionOptions, CompletionResult } from '../inference/protocol.ts';
import type { Settle } from './rate-limits.ts';

/** The most tokens that a completion may read and write; of a text it is only known that no token is less than a character. */
export const mostTokens = ({ prompts, max_tokens, best_of, beam_width }: CompletionOptions): number =>
  prompts.reduce((total, prompt) => total + prompt.length + max_tokens * (beam_width ?? best_of), 0);

/** Passes a completion on, and settles its reservation when it is over, however it ends. */
export async function* settledTokens(
  chunks: AsyncGenerator<CompletionChunk, CompletionResult>,
  settle: Settle,
): AsyncGenerator<CompletionChunk, CompletionResult> {
  // Of a call that broke off it is known what it gave: hardly ever less than a token a chunk.
  let used = 0;
  try {
    for (;;) {
      const step = await chunks.next();
      if (step.done) {
        used = step.value.prompt_tokens + step.value.completion_tokens;
        return step.value;
      }
      used += 1;
      yield step.value;
    }
  } finally {
    await settle(used);
  }
}

/** Does work whose tokens are known once it is done; a failure took none. */
export const settling = async <T>(
  settle: Settle | null,
  work: () => Promise<T>,
  tokensOf: (result: T) => number,
): Promise<T> => {
  let used = 0;
  try {
    const result = await work();
    used = tokensOf(result);
    return result;
  } finally {
    await settle?.(used);
  }
};
