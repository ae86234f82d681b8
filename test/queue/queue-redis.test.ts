import { redisInstalled, withoutRedis } from '../support/redis.ts';
import { describeQueue } from './guarantees.ts';
import { startRedisStore } from './stores.ts';

describeQueue({ name: 'Redis', missing: redisInstalled ? null : withoutRedis, start: startRedisStore });
