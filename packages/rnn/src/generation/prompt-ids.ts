import { joinIds } from '../data/records/batch-layout.ts';
import { nextTurn } from '../event-loop.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import { splitWords } from '../text/word-splitter.ts';

const startToken = (tokenizer: Tokenizer): number | null => {
  const id = ['\n', ' '].map((text) => tokenizer.tokens.indexOf(text)).find((found) => found >= 0);
  return id ?? null;
};

/**
 * What is read before the first token is drawn: of sequences the boundary first, which begins them; after nothing at all, what ends a line.
 * @param pending what a session has not read yet; null: nothing came before
 * @param draws whether anything is drawn: else nothing needs to be made up
 */
export const promptIds = (
  tokenizer: Tokenizer,
  ids: Int32Array,
  { pending = null, draws = true }: { pending?: readonly number[] | null; draws?: boolean } = {},
): Int32Array => {
  if (pending === null && tokenizer.boundary !== null) return joinIds([tokenizer.boundary], ids);
  const all = pending === null || pending.length === 0 ? ids : joinIds(pending, ids);
  if (all.length > 0 || !draws) return all;
  const start = startToken(tokenizer);
  return start === null ? all : Int32Array.of(start);
};

const pieceUnits = 1 << 15;

/** The ids of a text, at once where it is short; between pieces of a long one others have their turn. */
export const encodeInTurns = (tokenizer: Tokenizer, text: string): Int32Array | Promise<Int32Array> =>
  text.length <= pieceUnits ? tokenizer.encode(text) : encodePieces(tokenizer, text);

const encodePieces = async (tokenizer: Tokenizer, text: string): Promise<Int32Array> => {
  const encoder = tokenizer.encoder();
  let ids: Int32Array = new Int32Array(text.length);
  let count = 0;
  const add = (more: Int32Array): void => {
    if (count + more.length > ids.length) ids = joinIds(ids, new Int32Array(ids.length + more.length));
    ids.set(more, count);
    count += more.length;
  };
  for (let at = 0; at < text.length; at += pieceUnits) {
    add(encoder.push(text.slice(at, at + pieceUnits)));
    await nextTurn();
  }
  add(encoder.finish());
  return ids.subarray(0, count);
};

/** Where the text of each token begins, in UTF-16 units. @param text what was encoded; null: the tokens' own */
export const tokenOffsets = (tokenizer: Tokenizer, ids: Int32Array, text: string | null): number[] => {
  const offsets: number[] = [];
  let at = 0;
  const place = (length: number): void => {
    offsets.push(at);
    at += length;
  };
  if (tokenizer.level === 'byte') {
    const decoder = tokenizer.decoder();
    for (const id of ids) place(decoder.push(id).length);
    return offsets;
  }
  // An unknown word is as long as it was, not as what stands for it.
  const pieces = text === null ? null : tokenizer.level === 'word' ? splitWords(text) : [...text];
  const exact = pieces?.length === ids.length ? pieces : null;
  for (let k = 0; k < ids.length; k++) place((exact?.[k] ?? tokenizer.tokens[ids[k]!]!).length);
  return offsets;
};

/** The text of ids. */
export const decodeIds = (tokenizer: Tokenizer, ids: Int32Array): string => {
  const decoder = tokenizer.decoder();
  return [...Array.from(ids, (id) => decoder.push(id)), decoder.finish()].join('');
};
