import type { FastifyReply } from 'fastify';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createRateLimits } from './rate-limits.ts';

const limit = 100;

describe('tokens that were set aside', () => {
  beforeEach(() => vi.useFakeTimers());
  afterEach(() => vi.useRealTimers());

  const setUp = () => {
    const rates = createRateLimits({ redisUrl: null, log: { warn: () => {} } });
    const headers = new Map<string, string>();
    const reply = { header: (name: string, value: string) => headers.set(name, value) };
    return {
      reserve: (most: number) => rates.reserveTokens('key:a', limit, most, reply as unknown as FastifyReply),
      remaining: () => Number(headers.get('x-ratelimit-remaining-tokens')),
    };
  };

  it('come back in the minute that they were taken from', async () => {
    const { reserve, remaining } = setUp();
    const settle = await reserve(100);
    await expect(reserve(1)).rejects.toMatchObject({ code: 'rate_limited' });
    await settle(10);
    await reserve(90);
    expect(remaining()).toBe(0);
  });

  it('do not come back in the next minute, whose limit stays what it is', async () => {
    const { reserve, remaining } = setUp();
    const settles = await Promise.all([reserve(50), reserve(50)]);
    await vi.advanceTimersByTimeAsync(60_001);
    // One returns to a minute in which nothing was used, the other to one in which something was.
    await settles[0]!(0);
    await reserve(60);
    expect(remaining()).toBe(40);
    await settles[1]!(0);
    await reserve(40);
    expect(remaining()).toBe(0);
    await expect(reserve(1)).rejects.toMatchObject({ code: 'rate_limited' });
  });

  it('are charged when a call took more, in the next minute too', async () => {
    const { reserve, remaining } = setUp();
    const settle = await reserve(10);
    await vi.advanceTimersByTimeAsync(60_001);
    await settle(40);
    await reserve(0);
    expect(remaining()).toBe(70);
  });
});
