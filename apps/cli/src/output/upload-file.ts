import { openAsBlob } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { type Unfold, UnfoldError, type UploadOptions } from '@unfold/client';
import { CommandError } from '../command-error.ts';
import { progressBar } from '../live/draw.ts';
import { createPictureInPlace } from '../live/picture-in-place.ts';
import { formatBytes } from './format.ts';
import { styleOf } from './style.ts';

/** A file that is there already is named by its id. */
const isFileId = (reference: string): boolean => /^file-[0-9a-z]{20,40}$/.test(reference);

/** A file on this machine, whose content is read when it is sent. @throws CommandError if it cannot be read */
const openFile = async (path: string): Promise<Blob> => {
  try {
    if (!(await stat(path)).isFile()) throw new CommandError(`${path} is not a file.`);
    return await openAsBlob(path);
  } catch (error) {
    if (error instanceof CommandError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    throw new CommandError(
      code === 'ENOENT' ? `There is no file ${path}.` : `${path} cannot be read (${code}).`,
    );
  }
};

/** Less than this is there before one could read a bar. */
const smallBytes = 1_000_000;
const barWidth = 30;
const redrawMs = 50;

/** Answers the id of what is uploaded. */
export type Upload = (reference: string, purpose: UploadOptions['purpose']) => Promise<string>;

interface UploadsOptions {
  signal?: AbortSignal;
  /** Whether what was uploaded stays when all went well. */
  keep?: boolean;
}

/** Runs what needs uploads; if the service refuses it, what was uploaded for it is deleted again. */
export const withUploads = async <T>(
  unfold: Unfold,
  use: (upload: Upload) => Promise<T>,
  { signal, keep = true }: UploadsOptions = {},
): Promise<T> => {
  const uploaded: string[] = [];
  const takeBack = async (): Promise<void> => {
    await Promise.all(uploaded.map((id) => unfold.files.delete(id).catch(() => undefined)));
  };
  try {
    const result = await use(async (reference, purpose) => {
      const id = await uploadFile(unfold, reference, purpose, signal);
      if (id !== reference) uploaded.push(id);
      return id;
    });
    if (!keep) await takeBack();
    return result;
  } catch (error) {
    if (!keep || (error instanceof UnfoldError && error.status < 500)) await takeBack();
    throw error;
  }
};

/** Uploads a file with a bar on stderr; answers its id. One that is named by its id is there already. */
export const uploadFile = async (
  unfold: Unfold,
  reference: string,
  purpose: UploadOptions['purpose'],
  signal?: AbortSignal,
): Promise<string> => {
  if (isFileId(reference)) return reference;
  const content = await openFile(reference);
  const filename = basename(reference);
  const shown = process.stderr.isTTY && content.size >= smallBytes;
  const place = createPictureInPlace(process.stderr);
  const { cyan } = styleOf(process.stderr);
  let drawnAt = Number.NEGATIVE_INFINITY;
  const onProgress = (sent: number, total: number): void => {
    if (sent < total && performance.now() - drawnAt < redrawMs) return;
    drawnAt = performance.now();
    place.draw(
      `Uploading ${filename}  ${cyan(progressBar(sent / total, barWidth))} ${formatBytes(sent)} of ${formatBytes(total)}`,
    );
  };
  try {
    const file = await unfold.files.upload(content, {
      filename,
      purpose,
      signal,
      ...(shown && { onProgress }),
    });
    return file.id;
  } finally {
    if (shown) place.clear();
  }
};
