import { withDatabase } from './postgres.ts';
import { redisInstalled, startRedis, withoutRedis } from './redis.ts';
import { type Service, startDistributedService, startEmbeddedService } from './service.ts';

/** The two ways to run, for tests that hold for both; `missing` says why one cannot be run here. */
export const deployments: { name: string; missing: string | null; start: () => Promise<Service> }[] = [
  { name: 'everything embedded (unfold up)', missing: null, start: startEmbeddedService },
  {
    name: 'PostgreSQL and Redis, an API and two workers',
    missing: redisInstalled ? null : withoutRedis,
    start: async () => {
      const database = await withDatabase();
      const redis = await startRedis();
      const service = await startDistributedService({
        databaseUrl: database.databaseUrl,
        redisUrl: redis.url,
        workers: 2,
      });
      return {
        ...service,
        stop: async () => {
          await service.stop();
          await redis.remove();
          await database.drop();
        },
      };
    },
  },
];
