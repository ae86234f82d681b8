import { UnfoldError } from '@unfold/contracts';
import type { FastifyBaseLogger, FastifyReply } from 'fastify';
import { Redis } from 'ioredis';
import { RateLimiterMemory, RateLimiterRedis } from 'rate-limiter-flexible';
import { createGatherer } from '../gather.ts';

/** What was used of a limit within the present minute. */
interface Spent {
  consumedPoints: number;
  msBeforeNext: number;
}

export interface RateLimits {
  /**
   * Counts one request of a client and tells it in headers, as OpenAI does.
   * @throws UnfoldError `rate_limited`, with `retry-after`
   */
  countRequest(client: string, limit: number, reply: FastifyReply): Promise<void>;
  /**
   * Sets the most tokens aside that a call may take. The answer is to be called with what it took, once.
   * @throws UnfoldError `rate_limited`, with `retry-after`
   */
  reserveTokens(client: string, limit: number, most: number, reply: FastifyReply): Promise<Settle>;
  close(): void;
}

/** Gives back what a call did not use of its reservation. Never rejects. */
export type Settle = (used: number) => Promise<void>;

interface Options {
  /** Where counts are shared between API processes; null: each counts by itself. */
  redisUrl: string | null;
  log: Pick<FastifyBaseLogger, 'warn'>;
}

const windowSeconds = 60;

/** OpenAI's form of a duration: `20ms`, `1s`, `1m0s`. */
const duration = (milliseconds: number): string => {
  if (milliseconds < 1000) return `${Math.max(0, Math.ceil(milliseconds))}ms`;
  const seconds = Math.ceil(milliseconds / 1000);
  return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${seconds % 60}s`;
};

const connect = (url: string, log: Options['log']): Redis => {
  // While Redis is away each process counts by itself: no request waits for it.
  const client = new Redis(url, {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    retryStrategy: (times) => Math.min(50 * 2 ** Math.min(times, 10), 1000),
  });
  let away = false;
  client.on('error', (error) => {
    if (!away) log.warn({ err: error }, 'rate limits are counted by each process while Redis is away');
    away = true;
  });
  client.on('ready', () => (away = false));
  return client;
};

const tell = (reply: FastifyReply, kind: 'requests' | 'tokens', limit: number, spent: Spent): void => {
  reply.header(`x-ratelimit-limit-${kind}`, String(limit));
  reply.header(`x-ratelimit-remaining-${kind}`, String(Math.max(0, limit - spent.consumedPoints)));
  reply.header(`x-ratelimit-reset-${kind}`, duration(spent.msBeforeNext));
};

const refusal = (reply: FastifyReply, message: string, spent: Spent): UnfoldError => {
  const seconds = Math.max(1, Math.ceil(spent.msBeforeNext / 1000));
  reply.header('retry-after', String(seconds));
  return new UnfoldError('rate_limited', `${message}; try again in ${seconds} s.`);
};

/**
 * Counts by client in windows of a minute, in Redis where there is one. The library only counts: limits differ from key
 * to key, so they are compared here.
 */
export const createRateLimits = ({ redisUrl, log }: Options): RateLimits => {
  const client = redisUrl === null ? null : connect(redisUrl, log);
  const counter = (name: string): RateLimiterMemory | RateLimiterRedis => {
    const settings = { keyPrefix: `unfold:rate:${name}`, points: 1, duration: windowSeconds };
    const memory = new RateLimiterMemory(settings);
    return client === null
      ? memory
      : new RateLimiterRedis({ ...settings, storeClient: client, insuranceLimiter: memory });
  };
  const requests = counter('requests');
  const tokens = counter('tokens');
  /** Counts requests that came at about the same time with one call for each client. */
  const countTogether = async (ids: string[]): Promise<Spent[]> => {
    const behind = new Map<string, number>();
    for (const id of ids) behind.set(id, (behind.get(id) ?? 0) + 1);
    const counted = await Promise.all(
      [...behind].map(async ([id, points]) => [id, await requests.penalty(id, points)] as const),
    );
    const spent = new Map(counted);
    // Each is told what was spent when it came, without those behind it.
    return ids.map((id) => {
      const later = behind.get(id)! - 1;
      behind.set(id, later);
      const { consumedPoints, msBeforeNext } = spent.get(id)!;
      return { consumedPoints: consumedPoints - later, msBeforeNext };
    });
  };
  const count = client === null ? (id: string) => requests.penalty(id, 1) : createGatherer(countTogether);
  const giveBack = async (id: string, back: number): Promise<void> => {
    const { consumedPoints: left } = await tokens.reward(id, back);
    // Counted somewhere else than it was set aside: Redis has gone or come back, or the minute has just ended.
    if (left < 0) await tokens.penalty(id, -left);
  };

  return {
    async countRequest(id, limit, reply) {
      const spent = await count(id);
      tell(reply, 'requests', limit, spent);
      if (spent.consumedPoints > limit)
        throw refusal(reply, `expected at most ${limit} requests a minute`, spent);
    },

    async reserveTokens(id, limit, most, reply) {
      // A call that could never fit is let in when nothing else was used: it is as good as one that fits exactly.
      const reserved = Math.min(most, limit);
      const from = Date.now();
      const spent = await tokens.penalty(id, reserved);
      const fits = spent.consumedPoints <= limit;
      const settle: Settle = async (used) => {
        const back = reserved - used;
        if (back < 0) await tokens.penalty(id, -back).catch(() => {});
        // What was set aside in a minute that is over is forgotten with it: given back, it would be a gift to the next.
        else if (back > 0 && Date.now() < from + spent.msBeforeNext) await giveBack(id, back).catch(() => {});
      };
      if (fits) {
        tell(reply, 'tokens', limit, spent);
        return settle;
      }
      await settle(0);
      // What the library answers has getters, which are lost on spreading.
      const { msBeforeNext, consumedPoints } = spent;
      tell(reply, 'tokens', limit, { msBeforeNext, consumedPoints: consumedPoints - reserved });
      throw refusal(
        reply,
        `expected at most ${limit} tokens a minute, but this call may take ${most} and ${spent.consumedPoints - reserved} were used`,
        spent,
      );
    },

    close: () => client?.disconnect(),
  };
};
