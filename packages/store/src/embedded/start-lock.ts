import { randomUUID } from 'node:crypto';
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { isSameProcess, processStart } from '../process-identity.ts';

interface Holder {
  pid: number;
  started: string | null;
  token: string;
}

const readHolder = async (path: string): Promise<Holder | null> => {
  const text = await readFile(path, 'utf8').catch(() => null);
  if (text === null) return null;
  try {
    return JSON.parse(text) as Holder;
  } catch {
    return { pid: 0, started: null, token: text };
  }
};

/** Sets a dead holder's file aside. If a live one slipped in between, it gets its file back. */
const breakLock = async (path: string, dead: Holder): Promise<void> => {
  const aside = `${path}.${randomUUID()}`;
  await rename(path, aside).catch(() => undefined);
  const moved = await readHolder(aside);
  if (moved && moved.token !== dead.token) await link(aside, path).catch(() => undefined);
  await rm(aside, { force: true });
};

/**
 * Runs `work` while no other process of this machine does so for the same file. A holder that died, at whatever
 * moment, does not keep others out.
 */
export const withLockFile = async <T>(
  path: string,
  patience_ms: number,
  work: () => Promise<T>,
): Promise<T> => {
  const holder: Holder = { pid: process.pid, started: await processStart(process.pid), token: randomUUID() };
  const own = `${path}.${holder.token}`;
  const deadline = Date.now() + patience_ms;
  // Linking a finished file makes the lock appear with its content, so that nobody reads half of it.
  await writeFile(own, JSON.stringify(holder), { mode: 0o600 });
  try {
    while (
      !(await link(own, path).then(
        () => true,
        (error: NodeJS.ErrnoException) => {
          if (error.code !== 'EEXIST') throw error;
          return false;
        },
      ))
    ) {
      const other = await readHolder(path);
      if (other && !(await isSameProcess(other.pid, other.started))) await breakLock(path, other);
      else if (Date.now() > deadline)
        throw new Error(`Another process (pid ${other?.pid}) is still starting the database: ${path}.`);
      else await delay(25);
    }
  } finally {
    await rm(own, { force: true });
  }
  try {
    return await work();
  } finally {
    if ((await readHolder(path))?.token === holder.token) await rm(path, { force: true });
  }
};
