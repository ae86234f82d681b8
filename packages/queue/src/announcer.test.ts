import { describe, expect, it } from 'vitest';
import { type Announcement, createAnnouncer } from './announcer.ts';
import type { LogLevel } from './log.ts';

describe('the announcer', () => {
  it('merges what is announced while a message is under way, the highest number of each job winning', async () => {
    const messages: Announcement[][] = [];
    let arrive = () => {};
    const announce = createAnnouncer(
      (batch) => {
        messages.push(batch);
        return new Promise((resolve) => (arrive = resolve));
      },
      () => {},
    );
    void announce({ job_id: 'a', seq: 1 });
    await Promise.resolve();
    await Promise.resolve();
    expect(messages).toEqual([[{ job_id: 'a', seq: 1 }]]);
    for (const seq of [2, 5, 3]) void announce({ job_id: 'a', seq });
    const sent = announce({ job_id: 'b', seq: 7 });
    arrive();
    await new Promise((resolve) => setImmediate(resolve));
    arrive();
    await sent;
    expect(messages.slice(1)).toEqual([
      [
        { job_id: 'a', seq: 5 },
        { job_id: 'b', seq: 7 },
      ],
    ]);
  });

  it('drops what it cannot send, says so, and goes on', async () => {
    const logged: LogLevel[] = [];
    let fails = true;
    const messages: Announcement[][] = [];
    const announce = createAnnouncer(
      async (batch) => {
        if (fails) throw new Error('away');
        messages.push(batch);
      },
      (level) => logged.push(level),
    );
    await announce({ job_id: 'a', seq: 1 });
    expect(logged).toEqual(['warn']);
    fails = false;
    await announce({ job_id: 'a', seq: 2 });
    expect(messages).toEqual([[{ job_id: 'a', seq: 2 }]]);
  });

  it('never remembers more than 10,000 jobs, and sends at most 500 in one message', async () => {
    const messages: Announcement[][] = [];
    const announce = createAnnouncer(
      async (batch) => void messages.push(batch),
      () => {},
    );
    let last = Promise.resolve();
    for (let job = 0; job < 12_000; job += 1) last = announce({ job_id: `job-${job}`, seq: 1 });
    await last;
    expect(messages.flat()).toHaveLength(10_000);
    expect(messages.flat().at(-1)?.job_id).toBe('job-11999');
    expect(Math.max(...messages.map((batch) => batch.length))).toBe(500);
  });
});
