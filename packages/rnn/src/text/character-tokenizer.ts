import {
  boundaryOf,
  encodeAll,
  pieceUnits,
  refuseUnknown,
  splitSurrogate,
  tokenizerData,
  tokenTextDecoder,
} from './encoding.ts';
import { lowerCase } from './lower-case.ts';
import { boundaryToken, type TokenEncoder, type Tokenizer, unknownToken } from './tokenizer.ts';

const basicPlane = 0x10000;

/** One token is one Unicode code point. */
export const createCharacterTokenizer = (tokens: readonly string[], lowercase: boolean): Tokenizer => {
  const unknownId = tokens.indexOf(unknownToken);
  const basic = new Int32Array(basicPlane).fill(-1);
  const beyond = new Map<number, number>();
  tokens.forEach((token, id) => {
    if (token === unknownToken || token === boundaryToken) return;
    const point = token.codePointAt(0)!;
    if (point < basicPlane) basic[point] = id;
    else beyond.set(point, id);
  });

  const encodeWhole = (text: string): Int32Array => {
    const folded = lowercase ? lowerCase(text) : text;
    const ids = new Int32Array(folded.length);
    let count = 0;
    for (let at = 0; at < folded.length; at++) {
      const point = folded.codePointAt(at)!;
      if (point >= basicPlane) at++;
      let id = point < basicPlane ? basic[point]! : (beyond.get(point) ?? -1);
      if (id < 0) id = unknownId >= 0 ? unknownId : refuseUnknown(String.fromCodePoint(point));
      ids[count++] = id;
    }
    return count === ids.length ? ids : ids.subarray(0, count);
  };

  const encoder = (): TokenEncoder => {
    let held = '';
    return {
      push(chunk) {
        const [whole, rest] = splitSurrogate(held + chunk);
        held = rest;
        return encodeWhole(whole);
      },
      finish: () => encodeWhole(held),
    };
  };

  return {
    level: 'char',
    tokens,
    unknown: unknownId < 0 ? null : unknownId,
    boundary: boundaryOf(tokens),
    encoder,
    decoder: () => tokenTextDecoder(tokens),
    encode: (text) => (text.length > pieceUnits ? encodeAll(text, encoder()) : encodeWhole(text)),
    toJSON: () => tokenizerData({ level: 'char', tokens }),
  };
};
