import { Redis } from 'ioredis';
import type { Log } from './log.ts';

const field = (info: string, name: string): string | undefined =>
  info.match(new RegExp(`^${name}:(.*?)\\r?$`, 'm'))?.[1];

/** BullMQ's relay needs streams and functions of Redis 6.2. */
const oldest = [6, 2] as const;

const isTooOld = (version: string): boolean => {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major < oldest[0] || (major === oldest[0] && minor < oldest[1]);
};

/**
 * Connects once and looks whether this Redis can carry a queue.
 * @throws when it cannot be reached or is too old; a policy that may evict jobs is only logged
 */
export const checkRedis = async (url: string, log: Log): Promise<void> => {
  const client = new Redis(url, {
    lazyConnect: true,
    connectTimeout: 5000,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  });
  let reason: unknown;
  client.on('error', (error) => {
    reason = error;
  });
  try {
    await client.connect();
    const info = await client.info();
    const version = field(info, 'valkey_version') ?? field(info, 'redis_version') ?? '0';
    if (isTooOld(version)) {
      throw new Error(`Redis ${version} is too old for the queue: ${oldest.join('.')} or newer is needed`);
    }
    const policy = field(info, 'maxmemory_policy');
    if (policy !== undefined && policy !== 'noeviction') {
      log('warn', `Redis may evict queued jobs: its maxmemory-policy is ${policy}, set it to noeviction`);
    }
  } catch (error) {
    throw reason ?? error;
  } finally {
    client.disconnect();
  }
};
