import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { freePort } from './process.ts';

/** Whether a real Redis can be started here; without one, its tests are left out by name. */
export const redisInstalled = spawnSync('redis-server', ['--version']).status === 0;
export const withoutRedis = 'redis-server is not installed';

export interface RedisServer {
  url: string;
  readonly pid: number;
  /** Ends the server; its data stays, so that `start` finds it again. */
  stop(signal?: NodeJS.Signals): Promise<void>;
  start(): Promise<void>;
  /** Ends the server and removes its data. */
  remove(): Promise<void>;
}

const answers = async (url: string): Promise<void> => {
  for (;;) {
    const client = new Redis(url, {
      lazyConnect: true,
      maxRetriesPerRequest: 0,
      retryStrategy: () => null,
    });
    client.on('error', () => {});
    try {
      await client.connect();
      await client.ping();
      return;
    } catch {
      await wait(25);
    } finally {
      client.disconnect();
    }
  }
};

/** Starts a redis-server of its own on a free port, with its data in a temporary folder. */
export const startRedis = async (): Promise<RedisServer> => {
  const folder = await mkdtemp(join(tmpdir(), 'unfold-redis-'));
  const port = await freePort();
  const url = `redis://127.0.0.1:${port}`;
  let server: ChildProcess | null = null;

  const start = async (): Promise<void> => {
    const options = ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', folder, '--appendonly', 'yes'];
    server = spawn('redis-server', [...options, '--appendfsync', 'always', '--save', ''], {
      stdio: 'ignore',
    });
    const died = once(server, 'exit').then(([code]) => {
      throw new Error(`redis-server ended with ${code}`);
    });
    died.catch(() => {});
    await Promise.race([answers(url), died]);
  };
  const stop = async (signal: NodeJS.Signals = 'SIGTERM'): Promise<void> => {
    if (!server || server.exitCode !== null || server.signalCode !== null) return;
    const ended = once(server, 'exit');
    server.kill('SIGCONT');
    server.kill(signal);
    await ended;
    server = null;
  };
  await start();
  return {
    url,
    get pid() {
      return server?.pid ?? 0;
    },
    start,
    stop,
    remove: async () => {
      await stop('SIGKILL');
      await rm(folder, { recursive: true, force: true });
    },
  };
};
