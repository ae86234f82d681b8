import type { Queue } from '@unfold/queue';
import type { EnqueueTicket, Store } from '@unfold/store';
import type { FastifyBaseLogger } from 'fastify';
import { startPeriodicWork } from '../periodic-work.ts';

interface Options {
  store: Pick<Store, 'jobs'>;
  queue: Queue;
  log: Pick<FastifyBaseLogger, 'info' | 'warn'>;
  everyMs: number;
}

/** A running job whose worker has not written for so long has lost it; workers write every second. */
const silentMs = 30_000;

/**
 * Enqueues what should be in the queue and is not: jobs accepted while it was away, jobs whose ticket was lost, jobs
 * whose worker died together with the queue's memory of them. Repeating a ticket that is held does nothing, so any
 * number of processes may reconcile.
 */
export const startReconciler = ({ store, queue, log, everyMs }: Options): { stop(): Promise<void> } => {
  const enqueueMissing = async (tickets: EnqueueTicket[], stopped: () => boolean): Promise<number> => {
    let enqueued = 0;
    for (const ticket of tickets) {
      if (stopped()) break;
      if (await queue.holds(ticket)) continue;
      await queue.enqueue(ticket);
      enqueued += 1;
    }
    return enqueued;
  };

  const reconcile = async (stopped: () => boolean): Promise<void> => {
    const tickets = [...(await store.jobs.queued()), ...(await store.jobs.abandoned(silentMs))];
    const enqueued = await enqueueMissing(tickets, stopped);
    if (enqueued > 0) log.info({ enqueued }, 'enqueued jobs that the queue did not hold');
  };

  return startPeriodicWork({ name: 'reconciling', work: reconcile, everyMs, log });
};
