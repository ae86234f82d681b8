import { describe, expect, it } from 'vitest';
import { askedToWaitMs, retryAfterMs } from './attempt.ts';

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

describe('askedToWaitMs', () => {
  it('reads seconds and dates, and nothing else, up to six hours', () => {
    const now = Date.parse('2026-11-23T12:00:00Z');
    const asked = [null, '0', '120', 'Mon, 23 Nov 2026 12:01:00 GMT', 'Mon, 23 Nov 2026 11:00:00 GMT'];
    expect(asked.map((header) => askedToWaitMs(header, now))).toEqual([0, 0, 120_000, 60_000, 0]);
    expect(['soon', '-5', '1.5', ''].map((header) => askedToWaitMs(header, now))).toEqual([0, 0, 0, 0]);
    expect(['9999999', `${'9'.repeat(400)}`].map((header) => askedToWaitMs(header, now))).toEqual([
      6 * hour,
      6 * hour,
    ]);
  });
});
