import { type FileHandle, open } from 'node:fs/promises';
import type { Tokenizer } from '../text/tokenizer.ts';
import type { PartReader } from './data-part.ts';

/** Bytes that an id below `vocabularySize` needs. */
export const tokenWidth = (vocabularySize: number): 1 | 2 | 4 =>
  vocabularySize <= 0x100 ? 1 : vocabularySize <= 0x10000 ? 2 : 4;

const narrow = (ids: Int32Array, width: 1 | 2 | 4): Uint8Array => {
  if (width === 1) return Uint8Array.from(ids);
  const typed = width === 2 ? Uint16Array.from(ids) : ids;
  return new Uint8Array(typed.buffer, typed.byteOffset, typed.byteLength);
};

/** Writes ids to a file, part after part. */
export class TokenWriter {
  #file: FileHandle;
  #tokenizer: Tokenizer;
  #width: 1 | 2 | 4;

  private constructor(file: FileHandle, tokenizer: Tokenizer, width: 1 | 2 | 4) {
    this.#file = file;
    this.#tokenizer = tokenizer;
    this.#width = width;
  }

  static async open(path: string, tokenizer: Tokenizer, width: 1 | 2 | 4): Promise<TokenWriter> {
    return new TokenWriter(await open(path, 'w'), tokenizer, width);
  }

  /** @returns how many tokens the part has */
  async write(part: PartReader): Promise<number> {
    let tokens = 0;
    if (this.#tokenizer.level === 'byte') {
      for await (const chunk of part.chunks()) {
        await this.#file.writeFile(chunk);
        tokens += chunk.length;
      }
      return tokens;
    }
    const encoder = this.#tokenizer.encoder();
    const append = async (ids: Int32Array): Promise<void> => {
      tokens += ids.length;
      await this.#file.writeFile(narrow(ids, this.#width));
    };
    for await (const text of part.texts()) await append(encoder.push(text));
    await append(encoder.finish());
    return tokens;
  }

  async sync(): Promise<void> {
    await this.#file.sync();
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}
