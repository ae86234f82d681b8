/** What an upload's bytes turned out to be. */
export interface TextStatistics {
  /** Unicode code points; null if the bytes are not UTF-8. */
  characters: number | null;
  /** Line ends (U+000A), plus one if the last line has none. */
  lines: number;
  /** Byte offset of the first sequence that is not UTF-8. */
  invalid_utf8_offset: number | null;
}

export interface Utf8Scan {
  push(chunk: Uint8Array): void;
  end(): TextStatistics;
}

const lineFeed = 0x0a;

/**
 * Reads bytes once, in chunks of any size, by the table of well-formed sequences of the Unicode Standard
 * (version 16, section 3.9, table 3-7): no overlong forms, no surrogates, nothing above U+10FFFF.
 */
export const createUtf8Scan = (): Utf8Scan => {
  let offset = 0;
  let characters = 0;
  let lineEnds = 0;
  let lastByte = lineFeed;
  let invalid: number | null = null;
  let sequenceStart = 0;
  let missing = 0;
  let low = 0x80;
  let high = 0xbf;

  /** Begins a sequence; false if no sequence begins with this byte. */
  const lead = (byte: number): boolean => {
    low = 0x80;
    high = 0xbf;
    if (byte < 0x80) missing = 0;
    else if (byte >= 0xc2 && byte <= 0xdf) missing = 1;
    else if (byte >= 0xe0 && byte <= 0xef) missing = 2;
    else if (byte >= 0xf0 && byte <= 0xf4) missing = 3;
    else return false;
    if (byte === 0xe0) low = 0xa0;
    if (byte === 0xed) high = 0x9f;
    if (byte === 0xf0) low = 0x90;
    if (byte === 0xf4) high = 0x8f;
    return true;
  };

  const check = (byte: number, position: number): void => {
    if (missing === 0) {
      sequenceStart = position;
      if (!lead(byte)) invalid = position;
      else if (missing === 0) characters += 1;
      return;
    }
    if (byte < low || byte > high) {
      invalid = sequenceStart;
      return;
    }
    low = 0x80;
    high = 0xbf;
    missing -= 1;
    if (missing === 0) characters += 1;
  };

  return {
    push(chunk) {
      for (let i = 0; i < chunk.length; i += 1) {
        const byte = chunk[i] as number;
        if (byte === lineFeed) lineEnds += 1;
        if (invalid === null) {
          if (missing === 0 && byte < 0x80) characters += 1;
          else check(byte, offset + i);
        }
        lastByte = byte;
      }
      offset += chunk.length;
    },
    end() {
      if (invalid === null && missing > 0) invalid = sequenceStart;
      return {
        characters: invalid === null ? characters : null,
        lines: lineEnds + (lastByte === lineFeed ? 0 : 1),
        invalid_utf8_offset: invalid,
      };
    },
  };
};
