import { DelayedError, type Job, WaitingError } from 'bullmq';
import type { Datastore, Payload } from './datastore.ts';
import { closeWithinMs, reach, settlesWithin } from './deadline.ts';
import type { Log } from './log.ts';
import { queueName, readTicketId } from './ticket.ts';

export interface Delivery {
  job_id: string;
  /** Which enqueueing of the job this is: the job table tells a stale one from it. */
  enqueue_count: number;
  /** The span of its enqueueing; null if that was not traced. */
  traceparent: string | null;
}

export interface DeliveryContext {
  /**
   * Aborts when the lock on this delivery is lost (the process was frozen, or the store was away for more than ten
   * seconds) and another consumer may get it. The job table still decides who owns the job: a handler that is not
   * fenced off there may finish.
   */
  signal: AbortSignal;
  /** Gives the delivery back, to be delivered again at its place in the order, and ends the handler by throwing. */
  requeue(): Promise<never>;
}

export type Handler = (delivery: Delivery, context: DeliveryContext) => Promise<void>;

export interface Consumer {
  /** Takes no further delivery, waits for the handler that runs, then lets its connections go. */
  close(): Promise<void>;
  readonly running: boolean;
}

/** How long a delivery whose handler threw rests before it comes again. */
const restMs = 5000;

const settings = {
  concurrency: 1,
  // A lock of ten seconds, renewed every five and looked at every five, brings a dead consumer's delivery back within
  // about fifteen. Nothing is ever given up here: the job table counts attempts.
  lockDuration: 10_000,
  stalledInterval: 5000,
  maxStalledCount: 1_000_000_000,
  // BullMQ's own 15 s would be felt as a stall after every short outage.
  runRetryDelay: 500,
};

/**
 * Runs `handler` for one delivery at a time. A delivery is done when its handler returns; one whose handler throws,
 * whose process dies or whose lock is lost comes again.
 */
export const openConsumer = async (datastore: Datastore, handler: Handler, log: Log): Promise<Consumer> => {
  let current: Promise<void> | null = null;
  let closing: Promise<void> | null = null;

  const handle = async (job: Job<Payload>, token: string, signal: AbortSignal): Promise<void> => {
    const requeue = async (): Promise<never> => {
      // When the store cannot be told, the lock runs out and brings the delivery back: later, but surely.
      await reach('requeue', () => job.moveToWait(token)).catch((error) =>
        log('warn', `Delivery ${job.id} goes back only when its lock runs out`, error),
      );
      throw new WaitingError();
    };
    try {
      const { job_id, traceparent = null } = job.data;
      await handler({ job_id, enqueue_count: readTicketId(job.id), traceparent }, { signal, requeue });
    } catch (error) {
      if (error instanceof WaitingError) throw error;
      log('error', `The handler of delivery ${job.id} failed; it comes again`, error);
      await reach('delay', () => job.moveToDelayed(Date.now() + restMs, token)).catch((cause) =>
        log('warn', `Delivery ${job.id} goes back only when its lock runs out`, cause),
      );
      throw new DelayedError();
    }
  };

  // BullMQ hands a signal only to a processor that declares three parameters.
  const processor = async (job: Job<Payload>, token?: string, signal?: AbortSignal): Promise<void> => {
    current = handle(job, token ?? '', signal ?? new AbortController().signal);
    try {
      await current;
    } finally {
      current = null;
    }
  };

  const { object: worker, drop } = datastore.worker(queueName, processor, { ...settings, autorun: false });
  worker.on('error', (error) => {
    if (!closing) log('warn', 'The consumer of the job queue is disturbed', error);
  });
  worker.on('lockRenewalFailed', (ids) => {
    for (const id of ids) worker.cancelJob(id, 'the lock of the delivery was lost');
  });
  worker.on('stalled', (id) => log('info', `Delivery ${id} lost its consumer and comes again`));

  const closeWorker = async (): Promise<void> => {
    const closed = worker.close();
    while (!(await settlesWithin(closeWithinMs, closed))) {
      // A running handler may take its time; a store that does not answer may not.
      if (!current) break;
      await Promise.resolve(current).catch(() => {});
    }
    drop();
  };

  try {
    await reach('consumer', () => worker.waitUntilReady());
  } catch (error) {
    closing = closeWorker();
    await closing;
    throw error;
  }
  worker.run().catch((error) => log('error', 'The consumer of the job queue ended', error));

  return {
    close: () => (closing ??= closeWorker()),
    get running() {
      return closing === null && worker.isRunning();
    },
  };
};
