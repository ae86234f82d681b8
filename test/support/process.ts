import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';

/** The folder of the clone that is tested. */
export const root = fileURLToPath(new URL('../..', import.meta.url));

/**
 * Waits until `probe` gives something other than null, undefined or false; throws what it was waiting for after `timeoutMs`.
 * It asks at once and then ever more seldom, up to ten times a second: many probes are queries, and take the processor from what they wait for.
 */
export const waitFor = async <T>(
  what: string,
  probe: () => T | Promise<T>,
  timeoutMs = 30_000,
): Promise<NonNullable<Exclude<T, false>>> => {
  const begin = Date.now();
  for (;;) {
    const value = await probe();
    if (value !== null && value !== undefined && value !== false)
      return value as NonNullable<Exclude<T, false>>;
    const waited = Date.now() - begin;
    if (waited > timeoutMs) throw new Error(`Waited ${timeoutMs} ms in vain for ${what}.`);
    await new Promise((resolve) => setTimeout(resolve, Math.min(100, 10 + waited / 20)));
  }
};

/** A port that was free a moment ago. */
export const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
};

/** A program of the project as its images run it, known by its pid. */
export interface Program {
  readonly pid: number;
  readonly child: ChildProcess;
  /** Everything that it printed so far, both streams. */
  output(): string;
  kill(signal: NodeJS.Signals): void;
  /** Resolves with the exit code, or null if a signal ended it. */
  readonly ended: Promise<number | null>;
  /** SIGTERM, and SIGKILL if that is not enough within `graceMs`. */
  stop(graceMs?: number): Promise<number | null>;
}

/** Starts `node <script> …` in the clone, with nothing of this process's environment but PATH and HOME. */
export const startProgram = (
  script: string,
  options: { arguments?: readonly string[]; env?: Record<string, string> } = {},
): Program => {
  const child = spawn(process.execPath, [script, ...(options.arguments ?? [])], {
    cwd: root,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-1_000_000);
    });
  }
  const ended = new Promise<number | null>((resolve) => child.once('close', (code) => resolve(code)));
  return {
    pid: child.pid as number,
    child,
    output: () => output,
    kill: (signal) => void child.kill(signal),
    ended,
    stop: async (graceMs = 20_000) => {
      child.kill('SIGTERM');
      // A stopped (SIGSTOP) program would never see the signal.
      child.kill('SIGCONT');
      const timer = setTimeout(() => child.kill('SIGKILL'), graceMs);
      const code = await ended;
      clearTimeout(timer);
      return code;
    },
  };
};
