import { redisInstalled, startRedis, withoutRedis } from '../support/redis.ts';

/** Where a queue may live. */
export interface QueueAddress {
  redisUrl: string | null;
  databaseUrl: string;
}

export interface QueueStore {
  port: number;
  /** An address at which nothing lies yet, reached through `port` or through a gateway to it. */
  fresh(port?: number): Promise<QueueAddress>;
  remove(): Promise<void>;
}

/** An address where nothing listens: whoever uses it where the other store was asked for fails. */
const nowhere = 'postgresql://nobody:nothing@127.0.0.1:1/none';

const onRedis = async (): Promise<QueueStore> => {
  const server = await startRedis();
  const port = Number(new URL(server.url).port);
  let databases = 0;
  return {
    port,
    fresh: async (through = port) => ({
      redisUrl: `redis://127.0.0.1:${through}/${databases++}`,
      databaseUrl: nowhere,
    }),
    remove: server.remove,
  };
};

export const stores = [{ name: 'Redis', missing: redisInstalled ? null : withoutRedis, start: onRedis }];
