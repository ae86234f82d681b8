import type { Queue } from '@unfold/queue';
import type { EnqueueTicket, Store } from '@unfold/store';
import type { FastifyBaseLogger } from 'fastify';

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
  let running: Promise<void> | null = null;
  let stopped = false;

  const enqueueMissing = async (tickets: EnqueueTicket[]): Promise<number> => {
    let enqueued = 0;
    for (const ticket of tickets) {
      if (stopped) break;
      if (await queue.holds(ticket)) continue;
      await queue.enqueue(ticket);
      enqueued += 1;
    }
    return enqueued;
  };

  const reconcile = async (): Promise<void> => {
    try {
      const tickets = [...(await store.jobs.queued()), ...(await store.jobs.abandoned(silentMs))];
      const enqueued = await enqueueMissing(tickets);
      if (enqueued > 0) log.info({ enqueued }, 'enqueued jobs that the queue did not hold');
    } catch (error) {
      if (!stopped) log.warn({ err: error }, 'reconciling failed; the next run tries again');
    }
  };

  const run = (): void => {
    running ??= reconcile().finally(() => (running = null));
  };

  run();
  const timer = setInterval(run, everyMs).unref();
  return {
    async stop() {
      stopped = true;
      clearInterval(timer);
      await running;
    },
  };
};
