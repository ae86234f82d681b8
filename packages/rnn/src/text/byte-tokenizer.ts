import { boundaryOf, encodeAll, splitSurrogate, tokenizerData } from './encoding.ts';
import type { TokenDecoder, TokenEncoder, Tokenizer } from './tokenizer.ts';
import { openSequence } from './utf8-stream.ts';

/** Printable ASCII, tab and line breaks are themselves; every other byte is named, `<0xC3>`. */
const byteText = (byte: number): string =>
  (byte >= 0x20 && byte < 0x7f) || byte === 0x09 || byte === 0x0a || byte === 0x0d
    ? String.fromCharCode(byte)
    : `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`;

export const byteTokens: readonly string[] = Array.from({ length: 256 }, (_, byte) => byteText(byte));

/**
 * One token is one byte of UTF-8; id and byte are the same number, `<s>` is 256. Invalid sequences are decoded to U+FFFD.
 * @param tokens those of every byte, and `<s>` if the text is cut in sequences
 */
export const createByteTokenizer = (tokens: readonly string[] = byteTokens): Tokenizer => {
  const boundary = boundaryOf(tokens);
  const encoder = (): TokenEncoder => {
    let held = '';
    return {
      push(chunk) {
        const [whole, rest] = splitSurrogate(held + chunk);
        held = rest;
        return Int32Array.from(Buffer.from(whole, 'utf8'));
      },
      finish: () => Int32Array.from(Buffer.from(held, 'utf8')),
    };
  };

  const decoder = (): TokenDecoder => {
    const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });
    const one = new Uint8Array(1);
    let open: number[] = [];
    return {
      push(id) {
        if (id === boundary) return '';
        open = openSequence(open, id);
        one[0] = id;
        return utf8.decode(one, { stream: true });
      },
      finish() {
        open = [];
        return utf8.decode();
      },
      get open() {
        return open.length;
      },
    };
  };

  return {
    level: 'byte',
    tokens,
    unknown: null,
    boundary,
    encoder,
    decoder,
    encode: (text) => encodeAll(text, encoder()),
    toJSON: () => tokenizerData({ level: 'byte', tokens }),
  };
};
