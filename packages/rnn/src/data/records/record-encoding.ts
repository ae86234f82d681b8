import type { TextOptions } from '@unfold/contracts';
import { createTokenizer } from '../../text/create-tokenizer.ts';
import type { Tokenizer, TokenizerData } from '../../text/tokenizer.ts';
import type { Normalization } from './normalization.ts';
import { createTokenList, type TokenList } from './token-list.ts';

/** Vectors of one width, and how they are normalized; null: not at all. */
export interface VectorEncoding {
  kind: 'vectors';
  width: number;
  normalization: Normalization | null;
}
export type TokensEncoding = { kind: 'tokens'; list: TokenList };
export type TextEncoding = { kind: 'text'; tokenizer: Tokenizer };

/**
 * How a run's records become numbers, and predictions become records again: vocabularies and normalization, stored with the model.
 * `output` is null where targets are the input's next steps.
 */
export interface RecordEncoding {
  input: TextEncoding | TokensEncoding | VectorEncoding;
  output: TokensEncoding | VectorEncoding | { kind: 'label'; list: TokenList } | null;
  context: { kind: 'label'; list: TokenList } | VectorEncoding | null;
  /** Names of a series' columns are not kept; its width is. */
  endless: boolean;
}

type PartData =
  | { kind: 'text'; tokenizer: TokenizerData }
  | { kind: 'tokens' | 'label'; tokens: readonly string[] }
  | VectorEncoding
  | null;

/** The same as JSON, for sidecars, checkpoints and models. */
export interface RecordEncodingData {
  input: PartData;
  output: PartData;
  context: PartData;
  endless: boolean;
}

type Part = RecordEncoding['input'] | RecordEncoding['output'] | RecordEncoding['context'];

const partToJson = (part: Part): PartData => {
  if (part === null || part.kind === 'vectors') return part;
  if (part.kind === 'text') return { kind: 'text', tokenizer: part.tokenizer.toJSON() };
  return { kind: part.kind, tokens: part.list.tokens };
};

export const encodingToJson = (encoding: RecordEncoding): RecordEncodingData => ({
  input: partToJson(encoding.input),
  output: partToJson(encoding.output),
  context: partToJson(encoding.context),
  endless: encoding.endless,
});

const partFromJson = (part: PartData, { lowercase }: TextOptions): Part => {
  if (part === null || part.kind === 'vectors') return part;
  if (part.kind === 'text')
    return { kind: 'text', tokenizer: createTokenizer(part.tokenizer, { lowercase }) };
  return { kind: part.kind, list: createTokenList(part.tokens) };
};

/** @throws UnfoldError `invalid_weights` if a tokenizer is none */
export const encodingFromJson = (data: RecordEncodingData, text: TextOptions): RecordEncoding => ({
  input: partFromJson(data.input, text) as RecordEncoding['input'],
  output: partFromJson(data.output, text) as RecordEncoding['output'],
  context: partFromJson(data.context, text) as RecordEncoding['context'],
  endless: data.endless,
});
