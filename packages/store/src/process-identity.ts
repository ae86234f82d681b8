import { readFile } from 'node:fs/promises';

/** When a process began, in the kernel's own units, or null where the system does not say. */
export const processStart = async (pid: number): Promise<string | null> => {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
  // The second field is the program's name in parentheses and may itself hold spaces; the 22nd is the start.
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
};

export const isAlive = (pid: number): boolean => {
  if (!Number.isSafeInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
};

/** Whether `pid` is still the process that began at `started`, and not a later one with the same number. */
export const isSameProcess = async (pid: number, started: string | null): Promise<boolean> => {
  if (!isAlive(pid)) return false;
  const now = await processStart(pid);
  return started === null || now === null || now === started;
};
