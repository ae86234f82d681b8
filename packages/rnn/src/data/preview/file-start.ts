import { open } from 'node:fs/promises';
import { sizeOf } from '../prepared-file.ts';

/** How much of a file is read for a preview. */
export interface FileStart {
  /** Bytes that are read: up to a line's end, so that no line and no character is cut in two. */
  end: number;
  /** Of the whole file. */
  bytes: number;
}

const lineFeed = 0x0a;
const isContinuation = (byte: number): boolean => (byte & 0xc0) === 0x80;

/** Where the last line that ends before `most` does; where none does, the last whole character. */
export const fileStart = async (path: string, most: number): Promise<FileStart> => {
  const bytes = await sizeOf(path, 'The file', 'file');
  if (bytes <= most) return { end: bytes, bytes };
  const file = await open(path, 'r');
  try {
    const buffer = new Uint8Array(most + 1);
    await file.read(buffer, 0, most + 1, 0);
    const line = buffer.lastIndexOf(lineFeed, most - 1);
    if (line >= 0) return { end: line + 1, bytes };
    let end = most;
    while (end > 0 && isContinuation(buffer[end]!)) end--;
    return { end, bytes };
  } finally {
    await file.close();
  }
};
