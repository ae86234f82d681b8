import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { CommandError } from './command-error.ts';
import { identify, type ProcessIdentity } from './up-file.ts';

const firstPauseMs = 500;
const longestPauseMs = 30_000;
/** A process that lived this long was well: the next pause is short again. */
const wellAfterMs = 60_000;

export interface SupervisedOptions {
  /** How messages call it. */
  name: string;
  script: string;
  /** Asked at each start. */
  env: () => NodeJS.ProcessEnv;
  stdio: 'inherit' | number;
  log: (message: string) => void;
  /** After each start, with the processes that then live. */
  onStart: () => void;
}

/** A child process that is started again when it ends by itself. */
export interface Supervised {
  readonly name: string;
  identity(): ProcessIdentity | null;
  /** Whether it said over its channel that it is ready. */
  readonly ready: Promise<void>;
  /** Rejects if it ends before `settled` is called: a process that cannot even start will not heal by itself. */
  readonly stillborn: Promise<never>;
  /** From now on it is started again. */
  settled(): void;
  /** Ends the present process, which is then started anew. */
  restart(): void;
  /** SIGTERM, then SIGKILL after `graceMs`; resolves when it is gone. Not started again. */
  stop(graceMs: number): Promise<void>;
  /** SIGKILL, at once. For a second Ctrl-C. */
  kill(): void;
}

export const supervise = (options: SupervisedOptions): Supervised => {
  const { name, log } = options;
  let child: ChildProcess | null = null;
  let identity: ProcessIdentity | null = null;
  let settled = false;
  let stopping = false;
  let pauseMs = firstPauseMs / 2;
  let pause: NodeJS.Timeout | null = null;
  let gone: Promise<void> = Promise.resolve();
  let becomeReady: () => void = () => {};
  let beStillborn: (error: Error) => void = () => {};
  const ready = new Promise<void>((resolve) => {
    becomeReady = resolve;
  });
  const stillborn = new Promise<never>((_, reject) => {
    beStillborn = reject;
  });
  stillborn.catch(() => undefined);

  const ended = (how: string, livedMs: number): void => {
    child = null;
    identity = null;
    if (stopping) return;
    if (!settled) {
      beStillborn(new CommandError(`The ${name} could not start: it ended with ${how}.`));
      return;
    }
    pauseMs = livedMs > wellAfterMs ? firstPauseMs : Math.min(longestPauseMs, pauseMs * 2);
    log(`The ${name} ended with ${how}; starting it again in ${pauseMs / 1000} s.`);
    pause = setTimeout(start, pauseMs);
  };

  const start = (): void => {
    pause = null;
    const startedAt = performance.now();
    // A session of its own: Ctrl-C in the terminal reaches only `up`, which then stops everything in order. Over the
    // channel it learns when `up` is killed.
    const stdio: StdioOptions = ['ignore', options.stdio, options.stdio, 'ipc'];
    const started = spawn(process.execPath, [options.script], { env: options.env(), stdio, detached: true });
    child = started;
    gone = new Promise((resolve) => {
      const end = (how: string): void => {
        resolve();
        ended(how, performance.now() - startedAt);
      };
      started.once('error', (error) => end(error.message));
      started.once('exit', (code, signal) => end(signal ?? `exit code ${code}`));
    });
    started.on('message', (message: { type?: string }) => {
      if (message.type === 'ready') becomeReady();
    });
    if (started.pid !== undefined) {
      void identify(started.pid).then((known) => {
        if (child === started) identity = known;
        options.onStart();
      });
    }
  };

  start();
  return {
    name,
    identity: () => identity,
    ready,
    stillborn,
    settled: () => {
      settled = true;
    },
    restart: () => {
      pauseMs = firstPauseMs / 2;
      child?.kill('SIGTERM');
    },
    stop: async (graceMs) => {
      stopping = true;
      if (pause) clearTimeout(pause);
      const present = child;
      if (!present) return;
      present.kill('SIGTERM');
      const timer = setTimeout(() => present.kill('SIGKILL'), graceMs);
      await gone;
      clearTimeout(timer);
    },
    kill: () => {
      stopping = true;
      child?.kill('SIGKILL');
    },
  };
};
