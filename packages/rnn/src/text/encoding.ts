import { UnfoldError } from '@unfold/contracts/values';
import { boundaryToken, type TokenDecoder, type TokenEncoder, type Tokenizer } from './tokenizer.ts';

/** UTF-16 units of a text that are encoded at once. */
export const pieceUnits = 65_536;

/** A whole text through a streaming encoder, in pieces, so that the memory beside the result stays small. */
export const encodeAll = (text: string, encoder: TokenEncoder): Int32Array => {
  const pieces: Int32Array[] = [];
  for (let at = 0; at < text.length; at += pieceUnits)
    pieces.push(encoder.push(text.slice(at, at + pieceUnits)));
  pieces.push(encoder.finish());
  if (pieces.length === 2 && pieces[1]!.length === 0) return pieces[0]!;
  const ids = new Int32Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let end = 0;
  for (const piece of pieces) {
    ids.set(piece, end);
    end += piece.length;
  }
  return ids;
};

/** The row of `<s>`, or null. */
export const boundaryOf = (tokens: readonly string[]): number | null => {
  const id = tokens.indexOf(boundaryToken);
  return id < 0 ? null : id;
};

/** Decoder of a vocabulary whose tokens are texts of their own. */
export const tokenTextDecoder = (tokens: readonly string[]): TokenDecoder => ({
  push: (id) => (tokens[id] === boundaryToken ? '' : (tokens[id] ?? '')),
  finish: () => '',
  open: 0,
});

export const refuseUnknown = (token: string): never => {
  throw new UnfoldError(
    'invalid_value',
    `The text holds ${JSON.stringify(token)}, which is not in the model's vocabulary; it has no <unk> token.`,
  );
};

/** Splits off a high surrogate at the end of a chunk, whose other half comes with the next one. */
export const splitSurrogate = (text: string): [whole: string, held: string] => {
  const last = text.charCodeAt(text.length - 1);
  return last >= 0xd800 && last <= 0xdbff ? [text.slice(0, -1), text.slice(-1)] : [text, ''];
};

export const tokenizerData = ({ level, tokens }: Pick<Tokenizer, 'level' | 'tokens'>) => ({
  level,
  tokens: [...tokens],
});
