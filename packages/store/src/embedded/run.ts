import { spawn } from 'node:child_process';

/** The system user that a command runs as; null is whoever we are. */
export interface RunAs {
  uid: number;
  gid: number;
  name: string;
}

export interface Finished {
  code: number | null;
  output: string;
}

/** PostgreSQL reads locale, time zone and its own PG… variables from the environment: give it a bare one. */
export const postgresEnvironment = (): NodeJS.ProcessEnv => ({
  PATH: process.env.PATH ?? '/usr/local/bin:/usr/bin:/bin',
  LANG: 'C',
  LC_ALL: 'C',
  TZ: 'UTC',
  ...(process.platform === 'win32' ? { SystemRoot: process.env.SystemRoot } : {}),
});

/** Runs a command to its end, its standard output and error together. Rejects only if it cannot be started. */
export const run = (command: string, args: readonly string[], as: RunAs | null): Promise<Finished> =>
  new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: '/',
      env: postgresEnvironment(),
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(as ? { uid: as.uid, gid: as.gid } : {}),
    });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => (output += chunk));
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => (output += chunk));
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, output }));
  });

/** Whether a command could be started and ended well. */
export const succeeds = (command: string, args: readonly string[], as: RunAs | null): Promise<boolean> =>
  run(command, args, as).then(
    ({ code }) => code === 0,
    () => false,
  );
