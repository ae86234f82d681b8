import { stat } from 'node:fs/promises';
import { UnfoldError } from '@unfold/contracts';
import type { Store } from '@unfold/store';
import { toUnfoldError } from './outcome-of-error.ts';

const missing = (id: string, param: string, cause?: unknown): UnfoldError =>
  new UnfoldError('data_missing', `The content of ${id} is no longer in the artifact store.`, {
    param,
    cause,
  });

const changed = (id: string, param: string, cause?: unknown): UnfoldError =>
  new UnfoldError('data_changed', `The content of ${id} is no longer what was uploaded.`, { param, cause });

/**
 * The absolute path of an uploaded text whose size and sha256 are still those of the upload.
 * @param param the field of the spec that names the file
 * @throws {UnfoldError} `data_missing`, `data_changed`
 */
export const openDataFile = async (store: Store, id: string, param: string): Promise<string> => {
  const file = await store.files.locate(id).catch((error: unknown) => {
    throw toUnfoldError(error).code === 'not_found' ? missing(id, param, error) : error;
  });
  const path = store.artifacts.absolute(file.path);
  const { size } = await stat(path).catch((error: NodeJS.ErrnoException) => {
    throw error.code === 'ENOENT' ? missing(id, param, error) : error;
  });
  if (size !== file.bytes) throw changed(id, param);
  await store.artifacts.verify(file.path, file.sha256).catch((error: unknown) => {
    const { code } = toUnfoldError(error);
    if (code === 'data_missing') throw missing(id, param, error);
    throw code === 'artifact_corrupt' ? changed(id, param, error) : error;
  });
  return path;
};
