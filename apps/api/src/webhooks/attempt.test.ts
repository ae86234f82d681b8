import { describe, expect, it } from 'vitest';
import { retryAfterMs } from './attempt.ts';

const hour = 3600 * 1000;

describe('retryAfterMs', () => {
  it('waits four times as long after each attempt, and no longer than six hours', () => {
    const waits = [1, 2, 3, 4, 8, 20].map((attempts) => retryAfterMs(attempts, 5000, 0.5));
    expect(waits).toEqual([5000, 20_000, 80_000, 320_000, 6 * hour, 6 * hour]);
  });

  it('varies by a fifth', () => {
    expect([0, 1].map((random) => retryAfterMs(1, 5000, random))).toEqual([4000, 6000]);
  });

  it('spreads ten attempts over about twenty hours', () => {
    const waits = Array.from({ length: 9 }, (_, k) => retryAfterMs(k + 1, 5000, 0.5));
    expect(waits.reduce((sum, wait) => sum + wait, 0) / hour).toBeCloseTo(19.6, 1);
  });
});
