import { longestCharacter } from '../text/utf8-stream.ts';
import { longestWord } from '../text/word-splitter.ts';
import { furthestBorder } from './data-part.ts';
import type { TokenFileRequest } from './token-file.ts';

/** Of a stored text. */
interface Size {
  bytes: number;
  /** Unicode code points; null: they were not counted. */
  characters: number | null;
}

interface Texts extends Pick<TokenFileRequest, 'text' | 'validationFraction'> {
  data: Size;
  /** A text of its own to validate on. */
  validation: Size | null;
}

/**
 * What the parts of an endless text surely have, whatever stands in them. Known by their size alone: no word and no character is longer than the
 * longest one, and the border between the parts moves by no more than it may.
 */
export const fewestTokens = ({ data, validation, text: { level }, validationFraction }: Texts) => {
  const tokensOf = ({ bytes, characters }: Size): number => {
    if (level === 'byte') return bytes;
    const fewest = Math.max(Math.ceil(bytes / longestCharacter), characters ?? 0);
    return level === 'word' ? Math.ceil(fewest / longestWord) : fewest;
  };
  /** The data without so many of its bytes, each of which may have been a character. */
  const without = ({ bytes, characters }: Size, gone: number): Size => ({
    bytes: Math.max(0, bytes - gone),
    characters: characters === null ? null : characters - gone,
  });
  if (validation !== null) return { training: tokensOf(data), validation: tokensOf(validation) };
  const nominal = Math.floor(data.bytes * (1 - validationFraction));
  return {
    training: tokensOf(without(data, data.bytes - nominal)),
    validation: tokensOf(without(data, nominal + furthestBorder(level))),
  };
};
