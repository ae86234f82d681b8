import { readFile } from 'node:fs/promises';
import { type RunAs, succeeds } from './run.ts';

const userName = 'postgres';

const lookUp = async (): Promise<RunAs | null> => {
  const passwd = await readFile('/etc/passwd', 'utf8').catch(() => '');
  const entry = passwd.split('\n').find((line) => line.startsWith(`${userName}:`));
  const [, , uid, gid] = entry?.split(':') ?? [];
  return uid && gid ? { uid: Number(uid), gid: Number(gid), name: userName } : null;
};

const creators: [command: string, args: string[]][] = [
  ['useradd', ['--system', '--user-group', '--no-create-home', '--shell', '/usr/sbin/nologin', userName]],
  ['adduser', ['--system', '--group', '--no-create-home', '--disabled-login', userName]],
];

/** PostgreSQL refuses to run as root: for root, the system user `postgres`, created if need be; else null. */
export const postgresUser = async (log: (message: string) => void): Promise<RunAs | null> => {
  if (process.getuid?.() !== 0) return null;
  const existing = await lookUp();
  if (existing) return existing;
  for (const [command, args] of creators) {
    if (!(await succeeds(command, args, null))) continue;
    const created = await lookUp();
    if (created) {
      log(`Created the system user "${userName}", since PostgreSQL does not run as root.`);
      return created;
    }
  }
  throw new Error(
    'PostgreSQL does not run as root, and no system user "postgres" could be created. Start Unfold as another user, or set DATABASE_URL to a PostgreSQL server.',
  );
};
