import type { Job, Worker } from 'bullmq';
import { bullmq } from './bullmq.ts';
import type { Connected, Datastore, Payload } from './datastore.ts';
import { closeWithinMs, reach, settlesWithin } from './deadline.ts';
import type { Log } from './log.ts';
import { type Lane, readTicketId } from './ticket.ts';

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

type LaneWorker = Connected<Worker<Payload>>;

/**
 * Runs `handler` for one delivery at a time, from whichever lane; a lane is looked at while no other's delivery is being handled. A delivery
 * is done when its handler returns; one whose handler throws, whose process dies or whose lock is lost comes again.
 */
export const openConsumer = async (
  datastore: Datastore,
  lanes: readonly Lane[],
  handler: Handler,
  log: Log,
): Promise<Consumer> => {
  let current: Promise<void> | null = null;
  let closing: Promise<void> | null = null;
  const workers = new Map<Lane, LaneWorker>();

  const giveBack = async (job: Job<Payload>, token: string): Promise<never> => {
    // When the store cannot be told, the lock runs out and brings the delivery back: later, but surely.
    await reach('requeue', () => job.moveToWait(token)).catch((error) =>
      log('warn', `Delivery ${job.id} goes back only when its lock runs out`, error),
    );
    throw new bullmq.WaitingError();
  };

  const handle = async (job: Job<Payload>, token: string, signal: AbortSignal): Promise<void> => {
    try {
      const { job_id, traceparent = null } = job.data;
      const delivery = { job_id, enqueue_count: readTicketId(job.id), traceparent };
      await handler(delivery, { signal, requeue: () => giveBack(job, token) });
    } catch (error) {
      if (error instanceof bullmq.WaitingError) throw error;
      log('error', `The handler of delivery ${job.id} failed; it comes again`, error);
      await reach('delay', () => job.moveToDelayed(Date.now() + restMs, token)).catch((cause) =>
        log('warn', `Delivery ${job.id} goes back only when its lock runs out`, cause),
      );
      throw new bullmq.DelayedError();
    }
  };

  const others = (lane: Lane): Worker<Payload>[] =>
    [...workers].filter(([name]) => name !== lane).map(([, { object }]) => object);

  // BullMQ hands a signal only to a processor that declares three parameters.
  const processor =
    (lane: Lane) =>
    async (job: Job<Payload>, given?: string, signal?: AbortSignal): Promise<void> => {
      const token = given ?? '';
      // Two lanes may have been handed a delivery at the same moment.
      if (current !== null) return giveBack(job, token);
      current = handle(job, token, signal ?? new AbortController().signal);
      for (const worker of others(lane)) void worker.pause(true);
      try {
        await current;
      } finally {
        current = null;
        if (closing === null) for (const worker of others(lane)) void worker.resume();
      }
    };

  const openLane = (lane: Lane): void => {
    const made = datastore.worker(lane, processor(lane), { ...settings, autorun: false });
    const worker = made.object;
    worker.on('error', (error) => {
      if (!closing) log('warn', 'The consumer of the job queue is disturbed', error);
    });
    worker.on('lockRenewalFailed', (ids) => {
      for (const id of ids) worker.cancelJob(id, 'the lock of the delivery was lost');
    });
    worker.on('stalled', (id) => log('info', `Delivery ${id} lost its consumer and comes again`));
    workers.set(lane, made);
  };

  const closeLane = async ({ object, drop }: LaneWorker): Promise<void> => {
    const closed = object.close();
    while (!(await settlesWithin(closeWithinMs, closed))) {
      // A running handler may take its time; a store that does not answer may not.
      if (!current) break;
      await Promise.resolve(current).catch(() => {});
    }
    drop();
  };
  const closeAll = async (): Promise<void> => {
    await Promise.all([...workers.values()].map(closeLane));
  };

  for (const lane of lanes) openLane(lane);
  const opened = [...workers.values()].map(({ object }) => object);
  try {
    await reach('consumer', () => Promise.all(opened.map((worker) => worker.waitUntilReady())));
  } catch (error) {
    closing = closeAll();
    await closing;
    throw error;
  }
  for (const worker of opened)
    worker.run().catch((error) => log('error', 'The consumer of the job queue ended', error));

  return {
    close: () => (closing ??= closeAll()),
    get running() {
      return closing === null && opened.every((worker) => worker.isRunning());
    },
  };
};
