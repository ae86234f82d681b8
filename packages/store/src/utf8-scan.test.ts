import { describe, expect, it } from 'vitest';
import { createUtf8Scan } from './utf8-scan.ts';

const scan = (bytes: Uint8Array, cut = 0) => {
  const state = createUtf8Scan();
  state.push(bytes.subarray(0, cut));
  state.push(bytes.subarray(cut));
  return state.end();
};

/** The offset of the first invalid sequence by Node's own decoder: the longest prefix that it takes. */
const expectedOffset = (bytes: Uint8Array): number | null => {
  const valid = (end: number) => {
    try {
      new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(0, end));
      return true;
    } catch {
      return false;
    }
  };
  if (valid(bytes.length)) return null;
  let end = bytes.length;
  while (!valid(end)) end -= 1;
  return end;
};

describe('the UTF-8 scan', () => {
  it('agrees with the platform’s decoder on every pair of bytes and every cut of them', () => {
    for (let first = 0; first < 256; first += 1)
      for (let second = 0; second < 256; second += 1) {
        const bytes = Uint8Array.of(0x61, first, second, 0x80, 0x80, 0x62);
        const offset = expectedOffset(bytes);
        const cut = (first + second) % 7;
        if (scan(bytes, cut).invalid_utf8_offset !== offset)
          expect.fail(
            `${first},${second}: expected ${offset}, received ${scan(bytes, cut).invalid_utf8_offset}`,
          );
      }
  });

  it('counts code points and lines', () => {
    const of = (text: string) => scan(Buffer.from(text), 1);
    expect(of('')).toEqual({ characters: 0, lines: 0, invalid_utf8_offset: null });
    expect(of('a\nb')).toMatchObject({ characters: 3, lines: 2 });
    expect(of('a\nb\n')).toMatchObject({ characters: 4, lines: 2 });
    expect(of('\u{1f433}\u00e9')).toMatchObject({ characters: 2, lines: 1 });
  });

  it('finds a sequence that the end cuts off', () => {
    expect(scan(Uint8Array.of(0x61, 0xe2, 0x82))).toMatchObject({ characters: null, invalid_utf8_offset: 1 });
  });
});
