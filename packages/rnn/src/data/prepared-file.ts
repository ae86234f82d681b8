import { randomUUID } from 'node:crypto';
import { open, rename, stat } from 'node:fs/promises';
import { UnfoldError } from '@unfold/contracts/values';
import type { Fingerprint } from './data-part.ts';

/** What a run's prepared data was made from, so that a resumed run can tell whether it is still the same. */
export interface DataSource {
  data: Fingerprint;
  validation: Fingerprint | null;
}

export const sameSource = (a: DataSource, b: DataSource): boolean =>
  a.data.sha256 === b.data.sha256 && a.validation?.sha256 === b.validation?.sha256;

/** What tells cheaply whether a file is still the one that it was. */
export const identifyFile = async (path: string | null) => {
  if (path === null) return null;
  const { size, mtimeMs } = await stat(path);
  return { path, size, mtimeMs };
};

/** A file that appears under its name only once it is whole and on the disk. */
export const writeWhole = async (path: string, text: string): Promise<void> => {
  const temporary = `${path}.${randomUUID()}.tmp`;
  const file = await open(temporary, 'w');
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
};

/** @throws UnfoldError `data_missing`, `empty_file` */
export const sizeOf = async (path: string, name: string, param: string): Promise<number> => {
  const found = await stat(path).catch((cause: unknown) => {
    throw new UnfoldError('data_missing', `${name} is gone: it cannot be read any more.`, { param, cause });
  });
  if (found.size === 0) throw new UnfoldError('empty_file', `${name} is empty.`, { param });
  return found.size;
};
