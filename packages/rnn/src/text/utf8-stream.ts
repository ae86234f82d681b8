import { UnfoldError } from '@unfold/contracts/values';

/** Bytes of the longest character. */
export const longestCharacter = 4;

/** Bytes that a lead byte announces, itself included; 0 where no sequence may begin. */
const sequenceLength = (lead: number): number =>
  lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;

/** Whether a second byte is allowed: it is what rules out overlong forms, surrogates and code points past U+10FFFF. */
const allowsSecond = (lead: number, second: number): boolean => {
  const lowest = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
  const highest = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
  return second >= lowest && second <= highest;
};

/**
 * The bytes of a sequence that a byte leaves unfinished.
 * @param open those that the bytes before it left
 */
export const openSequence = (open: readonly number[], byte: number): number[] => {
  const [lead, ...rest] = open;
  const continues =
    lead !== undefined && (rest.length === 0 ? allowsSecond(lead, byte) : byte >= 0x80 && byte <= 0xbf);
  if (continues) return open.length + 1 < sequenceLength(lead) ? [...open, byte] : [];
  return sequenceLength(byte) > 1 ? [byte] : [];
};

/**
 * Where UTF-8 stops being valid (Unicode standard, table 3-7).
 * @returns the offset of the first byte of the first sequence that is invalid, or cut off by the end; -1 if none is
 */
export const firstInvalidUtf8 = (bytes: Uint8Array): number => {
  for (let at = 0; at < bytes.length; ) {
    const lead = bytes[at]!;
    const length = sequenceLength(lead);
    if (length === 0 || at + length > bytes.length) return at;
    for (let k = 1; k < length; k++) {
      const byte = bytes[at + k]!;
      if (k === 1 ? !allowsSecond(lead, byte) : byte < 0x80 || byte > 0xbf) return at;
    }
    at += length;
  }
  return -1;
};

/** Bytes at the end of a chunk that begin a sequence whose rest has yet to come: 0 to 3. */
const unfinishedTail = (bytes: Uint8Array): number => {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back]!;
    if (byte >= 0xc0) return sequenceLength(byte) > back ? back : 0;
    if (byte < 0x80) return 0;
  }
  return 0;
};

export interface Utf8Stream {
  /** The text that a chunk completes. Throws `invalid_utf8`, naming the byte's offset in the whole stream. */
  push(chunk: Uint8Array): string;
  /** Declares the end; throws `invalid_utf8` if a sequence was left unfinished. */
  finish(): void;
}

/**
 * Decodes UTF-8 that comes in chunks cut anywhere. A byte order mark at the very beginning is dropped.
 * @param source how errors name the file, and at which byte of it the stream begins
 */
export const createUtf8Stream = (
  source: { name?: string; param?: string; offset?: number } = {},
): Utf8Stream => {
  const { name = 'The file', param = 'file' } = source;
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  let carried = new Uint8Array(0);
  let offset = source.offset ?? 0;

  const refuse = (at: number, cause?: unknown): never => {
    throw new UnfoldError('invalid_utf8', `${name} is not UTF-8: invalid sequence at byte offset ${at}.`, {
      param,
      cause,
    });
  };

  return {
    push(chunk) {
      let bytes = chunk;
      if (carried.length > 0) {
        bytes = new Uint8Array(carried.length + chunk.length);
        bytes.set(carried);
        bytes.set(chunk, carried.length);
      }
      const tail = unfinishedTail(bytes);
      const whole = bytes.subarray(0, bytes.length - tail);
      carried = bytes.slice(bytes.length - tail);
      let text: string;
      try {
        text = decoder.decode(whole);
      } catch (error) {
        return refuse(offset + Math.max(0, firstInvalidUtf8(whole)), error);
      }
      if (offset === 0 && text.charCodeAt(0) === 0xfeff) text = text.slice(1);
      offset += whole.length;
      return text;
    },
    finish() {
      if (carried.length > 0) refuse(offset);
    },
  };
};
