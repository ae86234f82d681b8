import type { TextOptions } from '@unfold/contracts';

export type TokenLevel = TextOptions['level'];

/** Stands for every character or word outside the vocabulary. It is read, but never written by a model. */
export const unknownToken = '<unk>';

/** Begins and ends a sequence. It is in the vocabularies of texts that are cut in sequences, and shown as nothing. */
export const boundaryToken = '<s>';

/** A tokenizer as a weights file holds it: `tokens[i]` is the text of row i. */
export interface TokenizerData {
  level: TokenLevel;
  tokens: string[];
}

/** Turns text that comes in chunks into ids. */
export interface TokenEncoder {
  /** The ids that a chunk completes. Chunks may be cut anywhere, even within a surrogate pair. */
  push(chunk: string): Int32Array;
  /** The ids of what was still held back. */
  finish(): Int32Array;
}

/** Turns ids into text, one by one. */
export interface TokenDecoder {
  /** The text that an id completes; empty while bytes of a character are still missing. */
  push(id: number): string;
  /** What was still held back: U+FFFD where a character stayed unfinished. */
  finish(): string;
  /** How many of the last ids belong to a character whose bytes are not all there. */
  readonly open: number;
}

export interface Tokenizer {
  readonly level: TokenLevel;
  /** `tokens[i]` is the text of id i. */
  readonly tokens: readonly string[];
  /** The id of `<unk>`; null for bytes, and for imported vocabularies without one. */
  readonly unknown: number | null;
  /** The id of `<s>`; null for endless texts. */
  readonly boundary: number | null;
  encoder(): TokenEncoder;
  decoder(): TokenDecoder;
  encode(text: string): Int32Array;
  toJSON(): TokenizerData;
}
