import { UnfoldError } from '@unfold/contracts/values';
import { byteTokens, createByteTokenizer } from './byte-tokenizer.ts';
import { createCharacterTokenizer } from './character-tokenizer.ts';
import { boundaryToken, type Tokenizer, type TokenizerData, unknownToken } from './tokenizer.ts';
import { createWordTokenizer } from './word-tokenizer.ts';

/**
 * The tokenizer that a weights file describes.
 * @throws UnfoldError `invalid_weights` if it is not one
 */
export const createTokenizer = (data: unknown, options: { lowercase?: boolean } = {}): Tokenizer => {
  const invalid = (problem: string): UnfoldError =>
    new UnfoldError('invalid_weights', `Metadata "tokenizer": ${problem}.`);
  if (data === null || typeof data !== 'object') throw invalid('expected an object {level, tokens}');
  const { level, tokens } = data as Partial<TokenizerData>;
  if (!Array.isArray(tokens) || !tokens.every((token) => typeof token === 'string' && token !== ''))
    throw invalid('expected "tokens" to be a list of texts that are not empty');
  if (new Set(tokens).size !== tokens.length) throw invalid('expected tokens that differ from each other');
  switch (level) {
    case 'byte':
      if (tokens.length !== 256 && !(tokens.length === 257 && tokens[256] === boundaryToken))
        throw invalid(`expected 256 tokens and perhaps "${boundaryToken}", but received ${tokens.length}`);
      return createByteTokenizer([...byteTokens, ...tokens.slice(256)]);
    case 'char': {
      const odd = tokens.find(
        (token) => token !== unknownToken && token !== boundaryToken && [...token].length !== 1,
      );
      if (odd !== undefined) throw invalid(`expected single characters, but received ${JSON.stringify(odd)}`);
      return createCharacterTokenizer(tokens, options.lowercase ?? false);
    }
    case 'word':
      return createWordTokenizer(tokens, options.lowercase ?? false);
    default:
      throw invalid('expected "level" to be "char", "word" or "byte"');
  }
};
