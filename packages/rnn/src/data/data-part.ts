import { createHash, type Hash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { UnfoldError } from '@unfold/contracts/values';
import type { TokenLevel } from '../text/tokenizer.ts';
import { createUtf8Stream, longestCharacter } from '../text/utf8-stream.ts';

/** Bytes and their SHA-256, in lower-case hexadecimal. */
export interface Fingerprint {
  bytes: number;
  sha256: string;
}

/** Bytes `first` … `end` − 1 of a file, with how errors name it. */
export interface DataPart {
  path: string;
  first: number;
  end: number;
  name: string;
  param: string;
}

const chunkBytes = 1 << 18;

/** Streams a part of a file once, in constant memory, and hashes what it saw. */
export class PartReader {
  readonly part: DataPart;
  interrupted = false;
  #hash: Hash = createHash('sha256');
  #shouldStop: () => boolean;

  constructor(part: DataPart, shouldStop: () => boolean = () => false) {
    this.part = part;
    this.#shouldStop = shouldStop;
  }

  get bytes(): number {
    return this.part.end - this.part.first;
  }

  /** Makes the hash go on where another part's ended. */
  continueHash(before: PartReader): void {
    this.#hash = before.#hash.copy();
  }

  /** Of everything streamed so far. */
  sha256(): string {
    return this.#hash.copy().digest('hex');
  }

  /** Raw bytes; a chunk's memory is used again for the next one. */
  async *chunks(): AsyncGenerator<Uint8Array> {
    const { path, first, end, name, param } = this.part;
    const file = await open(path, 'r').catch((cause: unknown) => {
      throw new UnfoldError('data_missing', `${name} is gone: it cannot be read any more.`, { param, cause });
    });
    try {
      const buffer = new Uint8Array(Math.min(chunkBytes, Math.max(1, end - first)));
      for (let at = first; at < end; ) {
        if (this.#shouldStop()) {
          this.interrupted = true;
          return;
        }
        const { bytesRead } = await file.read(buffer, 0, Math.min(buffer.length, end - at), at);
        if (bytesRead === 0)
          throw new UnfoldError(
            'data_changed',
            `${name} became shorter while it was being read: expected ${end} bytes, but it ended after ${at}.`,
            { param },
          );
        const chunk = buffer.subarray(0, bytesRead);
        this.#hash.update(chunk);
        yield chunk;
        at += bytesRead;
      }
    } finally {
      await file.close();
    }
  }

  /** The same as text; throws `invalid_utf8` with the byte's offset in the file. */
  async *texts(): AsyncGenerator<string> {
    const { name, param, first } = this.part;
    const utf8 = createUtf8Stream({ name, param, offset: first });
    for await (const chunk of this.chunks()) yield utf8.push(chunk);
    if (!this.interrupted) utf8.finish();
  }
}

/** So many bytes are searched for a space to end the training part at. */
const searchedForSpace = 4096;

/** By how many bytes the training part of a text may end behind the share that it was given. */
export const furthestBorder = (level: TokenLevel): number =>
  ({ byte: 0, char: longestCharacter - 1, word: searchedForSpace - 1 })[level];

/**
 * Where the training part of a text ends: the share that is not held out, in bytes, moved forward so that no character (and
 * for words, no word, if white space follows soon) is cut in two.
 */
export const trainingEnd = async (
  path: string,
  bytes: number,
  validationFraction: number,
  level: TokenLevel,
): Promise<number> => {
  const nominal = Math.floor(bytes * (1 - validationFraction));
  if (level === 'byte') return nominal;
  const file = await open(path, 'r');
  try {
    const buffer = new Uint8Array(searchedForSpace);
    const { bytesRead } = await file.read(buffer, 0, buffer.length, nominal);
    const ahead = buffer.subarray(0, bytesRead);
    const space = level === 'word' ? ahead.findIndex((byte) => byte === 0x20 || byte === 0x0a) : -1;
    if (space >= 0) return nominal + space;
    const start = ahead.findIndex((byte) => (byte & 0xc0) !== 0x80);
    return start < 0 ? bytes : nominal + start;
  } finally {
    await file.close();
  }
};
