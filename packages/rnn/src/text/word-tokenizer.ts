import {
  boundaryOf,
  encodeAll,
  refuseUnknown,
  splitSurrogate,
  tokenizerData,
  tokenTextDecoder,
} from './encoding.ts';
import { lowerCase } from './lower-case.ts';
import { type TokenEncoder, type Tokenizer, unknownToken } from './tokenizer.ts';
import { createWordSplitter } from './word-splitter.ts';

/** One token is one word as `WordSplitter` cuts it, with the space before it. */
export const createWordTokenizer = (tokens: readonly string[], lowercase: boolean): Tokenizer => {
  const unknownId = tokens.indexOf(unknownToken);
  const ids = new Map(tokens.map((token, id) => [token, id]));
  // The splitter cuts a literal "<unk>" or "<s>" into three words, so these names are never looked up by accident.
  const idOf = (word: string): number => ids.get(word) ?? (unknownId >= 0 ? unknownId : refuseUnknown(word));

  const encoder = (): TokenEncoder => {
    const splitter = createWordSplitter();
    let held = '';
    const fold = (text: string): string => (lowercase ? lowerCase(text) : text);
    return {
      push(chunk) {
        const [whole, rest] = splitSurrogate(held + chunk);
        held = rest;
        return Int32Array.from(splitter.push(fold(whole)), idOf);
      },
      finish: () => Int32Array.from([...splitter.push(fold(held)), ...splitter.finish()], idOf),
    };
  };

  return {
    level: 'word',
    tokens,
    unknown: unknownId < 0 ? null : unknownId,
    boundary: boundaryOf(tokens),
    encoder,
    decoder: () => tokenTextDecoder(tokens),
    encode: (text) => encodeAll(text, encoder()),
    toJSON: () => tokenizerData({ level: 'word', tokens }),
  };
};
