import type { CallSignal } from '../http/gone-signal.ts';
import type { Chunks, CompletionChunk, CompletionOptions, CompletionResult } from '../inference/protocol.ts';
import type { Settle } from './rate-limits.ts';

/** The most tokens that a completion may read and write; of a text it is only known that no token is less than a character. */
const mostTokens = ({ prompts, max_tokens, best_of, beam_width }: CompletionOptions): number =>
  prompts.reduce((total, prompt) => total + prompt.length + max_tokens * (beam_width ?? best_of), 0);

/** The most tokens of its prompts that a completion may read. */
const mostRead = ({ prompts }: CompletionOptions): number =>
  prompts.reduce((total, prompt) => total + prompt.length, 0);

interface Reserving {
  options: CompletionOptions;
  /** Sets so many tokens aside; null: nothing is counted. */
  reserve(most: number): Promise<Settle | null>;
  /** Aborted when nobody waits for the answer any more. */
  signal: CallSignal;
}

/**
 * Passes a completion on once its tokens are set aside, and settles that when it is over, however it ends. One that broke off costs its prompts,
 * which were read whether or not anything was given, and a token a chunk; one that failed before its first chunk costs nothing.
 */
export async function* settledTokens(
  chunks: Chunks,
  { options, reserve, signal }: Reserving,
): AsyncGenerator<CompletionChunk, CompletionResult> {
  const settle = await reserve(mostTokens(options));
  if (settle === null) return yield* chunks;
  let given = 0;
  let result: CompletionResult | null = null;
  try {
    for (;;) {
      const step = await chunks.next();
      if (step.done) {
        result = step.value;
        return result;
      }
      given += 1;
      yield step.value;
    }
  } finally {
    if (result !== null) await settle(result.prompt_tokens + result.completion_tokens);
    else await settle(given === 0 && !signal.aborted ? 0 : mostRead(options) + given);
  }
}

interface Reserved {
  most: number;
  /** Null: nothing is counted. */
  settle: Settle | null;
  /** Aborted when nobody waits for the answer any more. */
  signal: CallSignal;
}

/** Does work whose tokens are known once it is done. A failure took none; of what was broken off nobody knows, so that it took all. */
export const settling = async <T>(
  { most, settle, signal }: Reserved,
  work: () => Promise<T>,
  tokensOf: (result: T) => number,
): Promise<T> => {
  let used = 0;
  try {
    const result = await work();
    used = tokensOf(result);
    return result;
  } finally {
    await settle?.(signal.aborted ? most : used);
  }
};
