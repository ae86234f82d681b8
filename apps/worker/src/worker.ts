import { hostname } from 'node:os';
import type { Config } from '@unfold/config';
import type { Delivery, DeliveryContext, Queue, Ticket } from '@unfold/queue';
import { type Finished, newId, type Store } from '@unfold/store';
import type { Tracing } from '@unfold/telemetry';
import type { Logger } from 'pino';
import { type Attempt, startAttempt } from './attempt.ts';
import type { WorkerMetrics } from './metrics.ts';
import type { OwnDevice } from './own-device.ts';
import { createPersist } from './persist.ts';
import { showPresence } from './presence.ts';
import { openScratch } from './scratch.ts';

/** A running job whose owner wrote within this time is not taken over: more than any live worker is silent. */
const takeoverMs = 3000;
const firstRetryMs = 1000;
const longestRetryMs = 30_000;

export interface WorkerServices {
  config: Pick<Config, 'dataDir' | 'deviceMemory' | 'storagePatienceSeconds' | 'threads'>;
  store: Store;
  queue: Queue;
  log: Logger;
  metrics: WorkerMetrics;
  tracing: Tracing;
  own: OwnDevice;
  /** The GPU was lost, and the job that it trained is given back: this process has nothing more to compute on. */
  onDeviceLost: () => void;
}

export interface WorkerHandle {
  /** Takes no further job, gives the present one back with a checkpoint, and resolves when nothing runs any more. */
  stop(): Promise<void>;
}

/** Takes jobs from the queue, one at a time. */
export const startWorker = async (services: WorkerServices): Promise<WorkerHandle> => {
  const { config, store, queue, log, metrics, tracing, own, onDeviceLost } = services;
  const stopped = new AbortController();
  const scratch = await openScratch(config.dataDir);
  const persist = createPersist(log);
  const persistUntilStopped = createPersist(log, stopped.signal);
  const id = newId('worker');
  const identity = { worker: id, engines: own.engines, tfjs: own.tfjs };
  const attemptServices = {
    store,
    queue,
    persist,
    scratch,
    log,
    metrics,
    tracing,
    threads: config.threads,
    deviceMemory: config.deviceMemory,
    storagePatienceMs: config.storagePatienceSeconds * 1000,
  };
  let current: Attempt | null = null;
  /** Tickets of failed attempts that wait for their time. */
  const resting = new Map<NodeJS.Timeout, Ticket>();

  // The table says that the job is queued, so the reconciler enqueues it if this cannot.
  const enqueue = (ticket: Ticket): Promise<void> =>
    queue
      .enqueue(ticket)
      .catch((error) =>
        log.warn({ err: error, ...ticket }, 'The job waits for the reconciler to enqueue it.'),
      );

  const enqueueLater = (ticket: Ticket, attempt: number): void => {
    const pause = Math.min(longestRetryMs, firstRetryMs * 2 ** Math.min(attempt - 1, 10));
    const timer = setTimeout(() => {
      resting.delete(timer);
      void enqueue(ticket);
    }, pause);
    resting.set(timer, ticket);
  };

  const claimJob = (job_id: string) =>
    persistUntilStopped('claim', (retried) =>
      // A claim whose answer was lost may have been ours: then its owner looks alive, and is us.
      store.jobs.claim(job_id, { ...identity, takeover_ms: takeoverMs, retried }),
    );

  /** What kept a job from being claimed may have ended it: whoever follows it is told. */
  const announceHead = async (job_id: string): Promise<void> => {
    try {
      const head = (await store.events.heads([job_id])).get(job_id)?.head;
      if (head !== undefined) await queue.announce({ job_id, seq: head });
    } catch (error) {
      log.warn({ err: error, job_id }, 'Followers will notice within a second.');
    }
  };

  const conclude = async (
    { job_id, enqueue_count, traceparent }: Delivery,
    { head, enqueue: ticket }: Finished,
    attempt: number,
    context: DeliveryContext,
  ): Promise<void> => {
    void queue.announce({ job_id, seq: head });
    if (ticket === null) return;
    if (ticket.enqueue_count === enqueue_count) return context.requeue();
    enqueueLater({ ...ticket, traceparent }, attempt);
  };

  const handle = async (delivery: Delivery, context: DeliveryContext): Promise<void> => {
    const { job_id } = delivery;
    if (stopped.signal.aborted) return context.requeue();
    const attributes = { 'unfold.job.id': job_id };
    const parent = delivery.traceparent;
    const claimed = await tracing.traced('claim', { parent, kind: 'consumer', attributes }, () =>
      claimJob(job_id),
    );
    if (claimed === null) {
      void announceHead(job_id);
      return log.info({ job_id }, 'A delivery with nothing to do.');
    }
    if (claimed.waited_seconds !== null) metrics.pickUpSeconds.observe(claimed.waited_seconds);
    const over = metrics.attemptSeconds.startTimer();
    let outcome = 'fenced';
    metrics.busy.set(1);
    const span = tracing.start('attempt', {
      parent,
      kind: 'consumer',
      attributes: { ...attributes, 'unfold.attempt': claimed.claim.attempt },
    });
    const attempt = startAttempt(attemptServices, claimed, span.traceparent);
    current = attempt;
    if (stopped.signal.aborted) attempt.stop();
    try {
      const finished = await attempt.done;
      outcome = finished?.status ?? outcome;
      if (finished) await conclude(delivery, finished, claimed.claim.attempt, context);
    } finally {
      over({ outcome });
      span.set({ 'unfold.outcome': outcome });
      span.end();
      metrics.attempts.inc({ outcome });
      metrics.busy.set(0);
      current = null;
      if (attempt.lostDevice()) onDeviceLost();
    }
  };

  const unsubscribe = queue.onControl(({ job_id }) => {
    if (current?.job_id === job_id) current.look();
  });
  const presence = await showPresence(store, { id, host: hostname(), pid: process.pid, ...own }, log);
  const consumer = await queue.consume(own.device, handle);

  return {
    stop: async () => {
      stopped.abort();
      current?.stop();
      await presence.leave();
      await consumer.close();
      unsubscribe();
      const waiting = [...resting];
      for (const [timer] of waiting) clearTimeout(timer);
      await Promise.all(waiting.map(([, ticket]) => enqueue(ticket)));
      await scratch.remove();
    },
  };
};
