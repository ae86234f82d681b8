import type { Tokenizer } from '../text/tokenizer.ts';
import { decodeIds, encodeInTurns, promptIds, tokenOffsets } from './prompt-ids.ts';

/** A prompt as it is read. */
export interface PromptText {
  ids: Int32Array;
  /** Ids that are read before them: what a session has not read yet, or what begins a sequence. */
  lead: number;
  all: Int32Array;
  /** What is echoed. */
  shown: string;
  /** Where each of its tokens begins in that, in UTF-16 units; empty: nobody asked. */
  offsets: number[];
}

interface Wanted {
  pending: readonly number[] | null;
  draws: boolean;
  shown: boolean;
  offsets: boolean;
}

/**
 * At once, unless the prompt is a long text.
 * @param wanted as `promptIds` has it, and whether the text and its places are shown
 */
export const promptText = (
  tokenizer: Tokenizer,
  prompt: string | number[],
  wanted: Wanted,
): PromptText | Promise<PromptText> => {
  if (typeof prompt !== 'string') return describe(tokenizer, Int32Array.from(prompt), null, wanted);
  const ids = encodeInTurns(tokenizer, prompt);
  return ids instanceof Promise
    ? ids.then((all) => describe(tokenizer, all, prompt, wanted))
    : describe(tokenizer, ids, prompt, wanted);
};

const describe = (tokenizer: Tokenizer, ids: Int32Array, text: string | null, wanted: Wanted): PromptText => {
  const all = promptIds(tokenizer, ids, wanted);
  return {
    ids,
    lead: all.length - ids.length,
    all,
    shown: wanted.shown ? (text ?? decodeIds(tokenizer, ids)) : '',
    offsets: wanted.offsets ? tokenOffsets(tokenizer, ids, text) : [],
  };
};
