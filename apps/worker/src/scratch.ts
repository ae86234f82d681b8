import { mkdir, readdir, rm, stat, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { isSameProcess, processStart } from '@unfold/store';

/** A worker process's own folder for temporary files, with a folder in it per attempt. */
export interface Scratch {
  /** An empty folder of this attempt's own. */
  open(name: string): Promise<string>;
  close(name: string): Promise<void>;
  /** Removes the process's folder. */
  remove(): Promise<void>;
}

const unknownStart = '-';
const signOfLifeMs = 3_600_000;
const longestSilenceMs = 24 * signOfLifeMs;

/**
 * Whether the process that owns a folder is gone. Other hosts (and containers, whose names are lost with them) may share
 * the root: their processes cannot be looked up, but a living one touches its folder every hour.
 */
const isLeft = async (root: string, entry: string): Promise<boolean> => {
  const [host, pid, start] = entry.split('@');
  if (!host || !pid || !start) return false;
  if (host === hostname()) return !(await isSameProcess(Number(pid), start === unknownStart ? null : start));
  const { mtimeMs } = await stat(join(root, entry));
  return Date.now() - mtimeMs > longestSilenceMs;
};

/** Removes what killed processes left behind. */
const sweep = async (root: string): Promise<void> => {
  for (const entry of await readdir(root)) {
    // Another worker that starts now may have been faster.
    if (await isLeft(root, entry).catch(() => false))
      await rm(join(root, entry), { recursive: true, force: true });
  }
};

/** Opens `<dataDir>/scratch` for this process. */
export const openScratch = async (dataDir: string): Promise<Scratch> => {
  const root = join(dataDir, 'scratch');
  await mkdir(root, { recursive: true });
  await sweep(root);
  const own = join(root, `${hostname()}@${process.pid}@${(await processStart(process.pid)) ?? unknownStart}`);
  const signOfLife = setInterval(() => {
    const now = new Date();
    // No folder, no attempt: nothing to keep.
    void utimes(own, now, now).catch(() => undefined);
  }, signOfLifeMs);
  signOfLife.unref();
  const remove = (path: string): Promise<void> => rm(path, { recursive: true, force: true });
  return {
    open: async (name) => {
      const path = join(own, name);
      await remove(path);
      await mkdir(path, { recursive: true });
      return path;
    },
    close: (name) => remove(join(own, name)),
    remove: async () => {
      clearInterval(signOfLife);
      await remove(own);
    },
  };
};
