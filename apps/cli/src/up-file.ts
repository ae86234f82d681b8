import { link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isSameProcess, processStart } from '@unfold/store';
import { CommandError } from './command-error.ts';

/** A process, told from a later one with the same number by when it began. */
export interface ProcessIdentity {
  pid: number;
  started: string | null;
}

/** `up.json` in the data folder: who serves it, and where. Mode 0600, since the database's URL holds its password. */
export interface UpRecord extends ProcessIdentity {
  /** Null until the address is known. */
  url: string | null;
  database_url: string | null;
  children: (ProcessIdentity & { name: string })[];
}

export interface UpFile {
  update(change: Partial<UpRecord>): Promise<void>;
  remove(): Promise<void>;
}

const fileName = 'up.json';
const stopPatienceMs = 40_000;

const readRecord = async (path: string): Promise<UpRecord | null> => {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  try {
    return text === null ? null : (JSON.parse(text) as UpRecord);
  } catch {
    // Damaged from outside: nobody can be found behind it.
    return null;
  }
};

export const identify = async (pid: number): Promise<ProcessIdentity> => ({
  pid,
  started: await processStart(pid),
});

const lives = ({ pid, started }: ProcessIdentity): Promise<boolean> => isSameProcess(pid, started);

/** The `up` that serves this folder now, if one does. */
export const findUp = async (dataDir: string): Promise<UpRecord | null> => {
  const record = await readRecord(join(dataDir, fileName)).catch((error: NodeJS.ErrnoException) => {
    throw unusable(dataDir, error) ?? error;
  });
  return record && (await lives(record)) ? record : null;
};

export const alreadyServed = (dataDir: string, { pid, url }: UpRecord): CommandError => {
  const where = url === null ? 'which is still starting' : `at ${url}`;
  return new CommandError(
    `${dataDir} is already served by unfold (pid ${pid}) ${where}. Use that one, stop it, or choose another folder with --data-dir or UNFOLD_DATA_DIR.`,
  );
};

/** What people can mend themselves, and read better without a stack. */
const unusable = (dataDir: string, { code, message }: NodeJS.ErrnoException): CommandError | null =>
  ['EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'EEXIST', 'ENOSPC', 'EDQUOT'].includes(code ?? '')
    ? new CommandError(
        `The data folder ${dataDir} cannot be used (${message}). Choose another with --data-dir or UNFOLD_DATA_DIR.`,
      )
    : null;

const endProcess = async (child: ProcessIdentity): Promise<void> => {
  const deadline = Date.now() + stopPatienceMs;
  if (await lives(child)) process.kill(child.pid, 'SIGTERM');
  while (await lives(child)) {
    if (Date.now() > deadline) process.kill(child.pid, 'SIGKILL');
    await delay(50);
  }
};

/**
 * Takes the data folder for this process. What a killed `up` left running is stopped first.
 * @throws {CommandError} naming the process that already serves the folder, or why the folder cannot be used
 */
export const claimUpFile = (dataDir: string, log: (message: string) => void): Promise<UpFile> =>
  claim(dataDir, log).catch((error: NodeJS.ErrnoException) => {
    throw unusable(dataDir, error) ?? error;
  });

const claim = async (dataDir: string, log: (message: string) => void): Promise<UpFile> => {
  const path = join(dataDir, fileName);
  await mkdir(dataDir, { recursive: true });
  let record: UpRecord = { ...(await identify(process.pid)), url: null, database_url: null, children: [] };
  const content = (): string => `${JSON.stringify(record, null, 2)}\n`;
  const temporary = `${path}.${process.pid}`;
  for (;;) {
    // Linked, not written, into place: another process must never see the file before its content.
    await writeFile(temporary, content(), { mode: 0o600 });
    try {
      await link(temporary, path);
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    } finally {
      await rm(temporary, { force: true });
    }
    const other = await readRecord(path);
    if (other && (await lives(other))) throw alreadyServed(dataDir, other);
    const left = other?.children ?? [];
    for (const child of left) {
      if (await lives(child))
        log(`Stopping the ${child.name} (pid ${child.pid}) of an unfold that was killed.`);
    }
    await Promise.all(left.map(endProcess));
    await rm(path, { force: true });
  }
  // One after the other: each replaces the whole file.
  let pending: Promise<void> = Promise.resolve();
  const replace = async (): Promise<void> => {
    await writeFile(temporary, content(), { mode: 0o600 });
    await rename(temporary, path);
  };
  return {
    update: (change) => {
      record = { ...record, ...change };
      pending = pending.catch(() => undefined).then(replace);
      return pending;
    },
    remove: async () => {
      await pending.catch(() => undefined);
      await rm(path, { force: true });
    },
  };
};
