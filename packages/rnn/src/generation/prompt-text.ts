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

/** @param wanted as `promptIds` has it, and whether the text and its places are shown */
export const promptText = async (
  tokenizer: Tokenizer,
  prompt: string | number[],
  wanted: { pending: readonly number[] | null; draws: boolean; shown: boolean; offsets: boolean },
): Promise<PromptText> => {
  const text = typeof prompt === 'string' ? prompt : null;
  const ids = text === null ? Int32Array.from(prompt as number[]) : await encodeInTurns(tokenizer, text);
  const all = promptIds(tokenizer, ids, wanted);
  return {
    ids,
    lead: all.length - ids.length,
    all,
    shown: wanted.shown ? (text ?? decodeIds(tokenizer, ids)) : '',
    offsets: wanted.offsets ? tokenOffsets(tokenizer, ids, text) : [],
  };
};
