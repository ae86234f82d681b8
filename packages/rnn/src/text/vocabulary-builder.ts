import type { TextOptions } from '@unfold/contracts';
import { byteTokens } from './byte-tokenizer.ts';
import { splitSurrogate } from './encoding.ts';
import { lowerCase } from './lower-case.ts';
import { boundaryToken, type TokenizerData, unknownToken } from './tokenizer.ts';
import { createWordSplitter } from './word-splitter.ts';

/** Most words of a vocabulary, `<unk>` among them, when `max_vocab` is null. */
export const defaultMaxWords = 20_000;

/** Distinct words that are counted at once. Beyond, the rarest are forgotten, which bounds the memory of a pass. */
const mostCountedWords = 1_000_000;

/** Counts the tokens of the training part and decides which of them get a row. */
export interface VocabularyBuilder {
  push(chunk: string): void;
  /** Ends a sequence: what follows begins a word of its own. */
  endSequence(): void;
  /**
   * Ends the count. Characters come sorted by code point, words by frequency and then code point, `<unk>` and, where sequences
   * end, `<s>` before them; `max_vocab` counts these too. Bytes are followed by `<s>`.
   */
  finish(): TokenizerData;
}

type Counts = Map<string, number>;

/** Order of code points, which is not that of UTF-16 units. */
export const byCodePoint = (a: string, b: string): number => {
  for (let at = 0; ; at++) {
    const x = a.codePointAt(at);
    const y = b.codePointAt(at);
    if (x === undefined || y === undefined) return a.length - b.length;
    if (x !== y) return x - y;
  }
};

export const byFrequency = ([a, m]: [string, number], [b, n]: [string, number]): number =>
  n - m || byCodePoint(a, b);

const mostFrequent = (counts: Counts, limit: number | null, special: number): string[] => {
  const sorted = [...counts].sort(byFrequency).map(([token]) => token);
  return limit === null ? sorted : sorted.slice(0, Math.max(1, limit - special));
};

/** Drops the rarest words until half the room is free. */
const forgetRarest = (counts: Counts): void => {
  for (let rare = 1; counts.size > mostCountedWords / 2; rare++)
    for (const [word, count] of counts) if (count <= rare) counts.delete(word);
};

export const createVocabularyBuilder = (options: TextOptions): VocabularyBuilder => {
  const fold = (text: string): string => (options.lowercase ? lowerCase(text) : text);
  const bounded = options.sequences !== 'whole';
  const special = bounded ? [unknownToken, boundaryToken] : [unknownToken];
  const counts: Counts = new Map();
  const count = (token: string): void => {
    counts.set(token, (counts.get(token) ?? 0) + 1);
  };

  switch (options.level) {
    case 'byte':
      return {
        push: () => {},
        endSequence: () => {},
        finish: () => ({ level: 'byte', tokens: bounded ? [...byteTokens, boundaryToken] : [...byteTokens] }),
      };
    case 'char': {
      const basic = new Float64Array(0x10000);
      const countAll = (text: string): void => {
        for (let at = 0; at < text.length; at++) {
          const point = text.codePointAt(at)!;
          if (point < 0x10000) basic[point]!++;
          else {
            count(String.fromCodePoint(point));
            at++;
          }
        }
      };
      let held = '';
      return {
        push(chunk) {
          const [whole, rest] = splitSurrogate(held + chunk);
          held = rest;
          countAll(fold(whole));
        },
        endSequence() {
          countAll(fold(held));
          held = '';
        },
        finish() {
          countAll(fold(held));
          basic.forEach((times, point) => {
            if (times > 0) counts.set(String.fromCharCode(point), times);
          });
          const kept = mostFrequent(counts, options.max_vocab, special.length).sort(byCodePoint);
          return { level: 'char', tokens: [...special, ...kept] };
        },
      };
    }
    case 'word': {
      const splitter = createWordSplitter();
      const countAll = (words: string[]): void => {
        for (const word of words) count(word);
        if (counts.size > mostCountedWords) forgetRarest(counts);
      };
      let held = '';
      const endSequence = (): void => {
        countAll([...splitter.push(fold(held)), ...splitter.finish()]);
        held = '';
      };
      return {
        push(chunk) {
          const [whole, rest] = splitSurrogate(held + chunk);
          held = rest;
          countAll(splitter.push(fold(whole)));
        },
        endSequence,
        finish() {
          endSequence();
          return {
            level: 'word',
            tokens: [
              ...special,
              ...mostFrequent(counts, options.max_vocab ?? defaultMaxWords, special.length),
            ],
          };
        },
      };
    }
  }
};
