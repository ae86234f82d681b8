import type { Log } from './log.ts';

export interface Announcement {
  job_id: string;
  seq: number;
}

const mostJobs = 10_000;
const mostPerMessage = 500;

/**
 * Sends "there is something new up to `seq`" hints, at most one message at a time. What is announced meanwhile is
 * merged, the highest `seq` of a job winning, so that a slow store sees few messages and memory stays bounded. A hint
 * that cannot be sent is dropped: readers look at the heads of their jobs once a second anyway.
 */
export const createAnnouncer = (publish: (batch: Announcement[]) => Promise<void>, log: Log) => {
  const pending = new Map<string, number>();
  let sending: Promise<void> | null = null;

  const takeBatch = (): Announcement[] => {
    const batch: Announcement[] = [];
    for (const [job_id, seq] of pending) {
      pending.delete(job_id);
      if (batch.push({ job_id, seq }) === mostPerMessage) break;
    }
    return batch;
  };

  const sendAll = async (): Promise<void> => {
    await Promise.resolve();
    while (pending.size > 0) {
      try {
        await publish(takeBatch());
      } catch (error) {
        log('warn', 'An announcement of new events was dropped', error);
      }
    }
    sending = null;
  };

  /** Resolves once this hint, or a later one of the same job, was sent or dropped; never rejects. */
  return ({ job_id, seq }: Announcement): Promise<void> => {
    const known = pending.get(job_id);
    if (known === undefined && pending.size >= mostJobs)
      pending.delete(pending.keys().next().value as string);
    pending.set(job_id, Math.max(seq, known ?? 0));
    sending ??= sendAll();
    return sending;
  };
};
