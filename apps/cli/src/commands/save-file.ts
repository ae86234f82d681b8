import { createWriteStream } from 'node:fs';
import { lstat, readlink, realpath, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { CommandError } from '../command-error.ts';

/** Where content goes: a file becomes whole or stays as it was; a device or a pipe is written through. */
export interface Place {
  path: string;
  isFile: boolean;
}

const orNull = (error: NodeJS.ErrnoException): null => {
  if (error.code === 'ENOENT') return null;
  throw error;
};

const find = async (path: string, name: string): Promise<Place> => {
  const there = await stat(path).catch(orNull);
  if (there?.isDirectory()) return find(join(path, name), name);
  const link = await lstat(path).catch(orNull);
  if (there !== null)
    return { path: link?.isSymbolicLink() ? await realpath(path) : path, isFile: there.isFile() };
  // What a link points at is made, not the link replaced.
  if (link !== null) return find(resolve(dirname(path), await readlink(path)), name);
  const folder = path.endsWith('/') ? path : dirname(path);
  if ((await stat(folder).catch(orNull)) === null) throw new CommandError(`There is no folder ${folder}.`);
  return { path, isFile: true };
};

const unwritable = (path: string, error: unknown): unknown => {
  const { code, syscall } = error as NodeJS.ErrnoException;
  return syscall === undefined ? error : new CommandError(`${path} cannot be written (${code}).`);
};

/**
 * The place that a path means: in a folder the file `name`, behind links what they point at.
 * @throws CommandError if there can be no file
 */
export const findPlace = (path: string, name: string): Promise<Place> =>
  find(path, name).catch((error: unknown) => {
    throw unwritable(path, error);
  });

/**
 * Writes content to a place.
 * @param check throws if what came is not what should be kept
 * @throws CommandError if the place cannot be written; the signal's reason when that is aborted
 */
export const saveFile = async (
  { path, isFile }: Place,
  content: AsyncIterable<Uint8Array>,
  { check, signal }: { check?: () => void; signal?: AbortSignal } = {},
): Promise<void> => {
  // Beside it, since a rename cannot leave a file system; no other process takes the same name.
  const written = isFile ? `${path}.${process.pid}.part` : path;
  try {
    await pipeline(content, createWriteStream(written), { ...(signal && { signal }) });
    check?.();
    if (isFile) await rename(written, path);
  } catch (error) {
    if (isFile) await rm(written, { force: true }).catch(() => undefined);
    signal?.throwIfAborted();
    throw unwritable(path, error);
  }
};
