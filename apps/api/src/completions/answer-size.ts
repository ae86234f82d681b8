import { UnfoldError } from '@unfold/contracts';
import type { CompletionOptions } from '../inference/protocol.ts';

/** What a token takes in an answer, next to one of plain text: its name and what it is worth, and each alternative. */
const weightOf = ({ logprobs }: CompletionOptions): number => (logprobs === null ? 1 : 2 + logprobs);

/** The most tokens of a prompt; no token is less than a byte of its text. */
const lengthOf = (prompt: string | number[]): number =>
  typeof prompt === 'string' ? Buffer.byteLength(prompt) : prompt.length;

/** The field to change. @param fitsWithout whether the answer is small enough without log-probabilities */
const fieldOf = ({ logprobs, n, best_of, beam_width }: CompletionOptions, fitsWithout: boolean): string => {
  if (logprobs !== null && fitsWithout) return 'logprobs';
  if (beam_width !== null) return 'beam_width';
  if (best_of > n) return 'best_of';
  return n > 1 ? 'n' : 'max_tokens';
};

/**
 * Refuses what would be held as a whole and is too large for that: an answer that is not streamed, and of one that is, its prompts, which come
 * at once, each with the first of its choices. What is streamed beyond them is paced by its reader, unless a beam is searched.
 * @param most tokens of plain text
 * @throws UnfoldError `limit_exceeded`
 */
export const expectAnswerFits = (options: CompletionOptions, streamed: boolean, most: number): void => {
  const { prompts, max_tokens, best_of, beam_width, echo } = options;
  const written = streamed && beam_width === null ? 0 : max_tokens;
  const choices = beam_width ?? best_of;
  const tokens = prompts.reduce(
    (total, prompt) => total + choices * ((echo ? lengthOf(prompt) : 0) + written),
    0,
  );
  const weight = weightOf(options);
  if (tokens * weight <= most) return;
  const param = fieldOf(options, tokens <= most);
  throw new UnfoldError(
    'limit_exceeded',
    `${param}: expected an answer of at most ${most} tokens on this server, but this one may have ${tokens}${weight > 1 ? `, each counted ${weight} times for its log-probabilities` : ''} ` +
      `(${prompts.length} prompts × ${choices} texts${echo ? ' that begin with the prompt' : ''})${written > 0 && beam_width === null ? '; a streamed answer may be longer' : ''}.`,
    { param },
  );
};
