import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbeddedPostgres } from '@unfold/store';
import { Client } from 'pg';
import { waitFor } from '../support/process.ts';
import { startRedis } from '../support/redis.ts';

/** Where a queue may live. */
export interface QueueAddress {
  redisUrl: string | null;
  databaseUrl: string;
}

export interface QueueStore {
  /** Where the server listens; may change when it restarts. */
  port(): number;
  /** Kills the server as a crash would, and starts it again with its data. */
  crash(): Promise<void>;
  /** An address at which nothing lies yet, reached at `port()` or through a gateway to it. */
  fresh(port?: number): Promise<QueueAddress>;
  remove(): Promise<void>;
}

/** An address where nothing listens: whoever uses it where the other store was asked for fails. */
const nowhere = 'postgresql://nobody:nothing@127.0.0.1:1/none';

export const startRedisStore = async (): Promise<QueueStore> => {
  const server = await startRedis();
  const port = Number(new URL(server.url).port);
  let databases = 0;
  return {
    port: () => port,
    crash: async () => {
      await server.stop('SIGKILL');
      await server.start();
    },
    fresh: async (through = port) => ({
      redisUrl: `redis://127.0.0.1:${through}/${databases++}`,
      databaseUrl: nowhere,
    }),
    remove: server.remove,
  };
};

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

export const startPostgresStore = async (): Promise<QueueStore> => {
  const dataDir = await mkdtemp(join(tmpdir(), 'unfold-queue-'));
  let server = await startEmbeddedPostgres({ dataDir });
  const port = (): number => Number(new URL(server.databaseUrl).port);
  let databases = 0;
  return {
    port,
    crash: async () => {
      process.kill(server.pid, 'SIGKILL');
      await waitFor('the end of the server', () => !isAlive(server.pid));
      server = await startEmbeddedPostgres({ dataDir });
    },
    fresh: async (through = port()) => {
      const name = `queue_${databases++}`;
      const client = new Client({ connectionString: server.databaseUrl });
      await client.connect();
      await client.query(`CREATE DATABASE ${name}`);
      await client.end();
      const url = new URL(server.databaseUrl);
      url.pathname = `/${name}`;
      url.port = String(through);
      return { redisUrl: null, databaseUrl: url.href };
    },
    remove: async () => {
      await server.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
};
