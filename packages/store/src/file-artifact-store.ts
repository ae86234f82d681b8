import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, rmdir, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { UnfoldError } from '@unfold/contracts';
import type { ArtifactStore } from './artifact-store.ts';
import { isSameProcess, processStart } from './process-identity.ts';

const temporaryFolder = '.tmp';
/** A temporary file of another host, which cannot be asked whether its writer lives, is given a day. */
const foreignLifetime_ms = 24 * 3600 * 1000;

/** What the operating system says is translated; anything else is thrown on. */
const translate = (error: unknown, path: string): unknown => {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  if (code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG')
    return new UnfoldError('storage_full', 'The artifact store is full.', { cause: error });
  if (code === 'ENOENT' || code === 'EISDIR' || code === 'ENOTDIR')
    return new UnfoldError('data_missing', `The artifact ${path} is missing.`, { cause: error });
  return error;
};

const syncFolder = async (folder: string): Promise<void> => {
  // Windows cannot open a folder, and its file system keeps names in order without this.
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
};

/** Makes a folder and those above it, and sees to it that their names survive a power cut. */
const makeFolder = async (folder: string): Promise<void> => {
  const first = await mkdir(folder, { recursive: true });
  if (first === undefined) return;
  for (let made = folder; made.length >= first.length; made = dirname(made)) await syncFolder(dirname(made));
};

const writeAll = async (handle: FileHandle, chunk: Uint8Array): Promise<void> => {
  for (let written = 0; written < chunk.length; ) {
    const { bytesWritten } = await handle.write(chunk, written);
    written += bytesWritten;
  }
};

/**
 * An artifact store in a folder of the local or a shared file system.
 * @param root absolute path; made if it does not exist
 */
export const createFileArtifactStore = (root: string): ArtifactStore => {
  const base = resolve(root);
  const temporaries = join(base, temporaryFolder);
  const writer = processStart(process.pid).then(
    (started) => `${encodeURIComponent(hostname())}~${process.pid}~${started ?? ''}`,
  );

  const absolute = (path: string): string => {
    const target = resolve(base, path);
    const inner = relative(base, target);
    const first = inner.split(sep)[0];
    if (
      path.includes('\0') ||
      inner === '' ||
      first === '..' ||
      first === temporaryFolder ||
      resolve(inner) === inner
    )
      throw new UnfoldError('internal', 'A path left the artifact store.');
    return target;
  };

  const hashFile = async (path: string): Promise<string> => {
    const hash = createHash('sha256');
    try {
      for await (const chunk of createReadStream(absolute(path))) hash.update(chunk);
    } catch (error) {
      throw translate(error, path);
    }
    return hash.digest('hex');
  };

  const corrupt = (path: string): UnfoldError =>
    new UnfoldError('artifact_corrupt', `The artifact ${path} is not what was written: its sha256 differs.`);

  const write: ArtifactStore['write'] = async (path, source) => {
    const target = absolute(path);
    const temporary = join(temporaries, `${await writer}~${randomUUID()}`);
    const hash = createHash('sha256');
    let bytes = 0;
    // Errors of the file system are ours to translate, those of the source are the caller's.
    const own = async <T>(work: Promise<T>): Promise<T> => {
      try {
        return await work;
      } catch (error) {
        throw translate(error, path);
      }
    };
    try {
      await own(makeFolder(temporaries));
      const handle = await own(open(temporary, 'wx', 0o644));
      try {
        for await (const chunk of source instanceof Uint8Array ? [source] : source) {
          hash.update(chunk);
          bytes += chunk.length;
          await own(writeAll(handle, chunk));
        }
        await own(handle.sync());
      } finally {
        await handle.close();
      }
      await own(makeFolder(dirname(target)));
      await own(rename(temporary, target));
      await own(syncFolder(dirname(target)));
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
    return { path, bytes, sha256: hash.digest('hex') };
  };

  const isAbandoned = async (name: string): Promise<boolean> => {
    const [host, pid, started] = name.split('~');
    if (host !== encodeURIComponent(hostname())) {
      const { mtimeMs } = await stat(join(temporaries, name));
      return Date.now() - mtimeMs > foreignLifetime_ms;
    }
    return !(await isSameProcess(Number(pid), started || null));
  };

  return {
    write,
    absolute,
    async read(path, { sha256 }) {
      const data = await readFile(absolute(path)).catch((error) => {
        throw translate(error, path);
      });
      if (createHash('sha256').update(data).digest('hex') !== sha256) throw corrupt(path);
      return data;
    },
    async stream(path, range) {
      const handle = await open(absolute(path), 'r').catch((error) => {
        throw translate(error, path);
      });
      return handle.createReadStream(range ?? {});
    },
    async verify(path, sha256) {
      if ((await hashFile(path)) !== sha256) throw corrupt(path);
    },
    async remove(path) {
      await rm(absolute(path), { force: true });
    },
    async removeFolder(folder, kept) {
      const keep = new Set(kept.map(absolute));
      const root = absolute(folder);
      const entries = await readdir(root, { recursive: true, withFileTypes: true }).catch(() => []);
      const paths = entries.map((entry) => ({ entry, path: join(entry.parentPath, entry.name) }));
      for (const { entry, path } of paths)
        if (entry.isFile() && !keep.has(path)) await rm(path, { force: true });
      const folders = paths.filter(({ entry }) => entry.isDirectory()).map(({ path }) => path);
      // The deepest first; one that still holds something stays.
      for (const path of [root, ...folders].sort((a, b) => b.length - a.length))
        await rmdir(path).catch(() => undefined);
    },
    async sweep() {
      const names = await readdir(temporaries).catch(() => []);
      let removed = 0;
      for (const name of names) {
        if (!(await isAbandoned(name).catch(() => false))) continue;
        await rm(join(temporaries, name), { force: true });
        removed += 1;
      }
      return removed;
    },
  };
};
