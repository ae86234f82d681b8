import { mkdir, readdir, rm } from 'node:fs/promises';
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

/** Removes what processes of this host left behind that were killed. Other hosts may share the folder: theirs stays. */
const sweep = async (root: string): Promise<void> => {
  for (const entry of await readdir(root)) {
    const [host, pid, start] = entry.split('@');
    if (host !== hostname() || !pid || !start) continue;
    if (await isSameProcess(Number(pid), start === unknownStart ? null : start)) continue;
    await rm(join(root, entry), { recursive: true, force: true });
  }
};

/** Opens `<dataDir>/scratch` for this process. */
export const openScratch = async (dataDir: string): Promise<Scratch> => {
  const root = join(dataDir, 'scratch');
  await mkdir(root, { recursive: true });
  await sweep(root);
  const own = join(root, `${hostname()}@${process.pid}@${(await processStart(process.pid)) ?? unknownStart}`);
  const remove = (path: string): Promise<void> => rm(path, { recursive: true, force: true });
  return {
    open: async (name) => {
      const path = join(own, name);
      await remove(path);
      await mkdir(path, { recursive: true });
      return path;
    },
    close: (name) => remove(join(own, name)),
    remove: () => remove(own),
  };
};
