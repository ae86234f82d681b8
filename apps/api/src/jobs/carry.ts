import type { Queue } from '@unfold/queue';
import type { EnqueueTicket, Store } from '@unfold/store';
import type { Tracing } from '@unfold/telemetry';
import type { FastifyBaseLogger } from 'fastify';
import type { JobIntake } from './job-intake.ts';

interface Parts {
  jobIntake: Pick<JobIntake, 'enqueue'>;
  store: Pick<Store, 'events' | 'jobs'>;
  queue: Queue;
  log: Pick<FastifyBaseLogger, 'warn'>;
  tracing: Tracing;
}

/**
 * Hands tickets to the queue. The job table has decided already, so a queue that is away is no error for the client:
 * the reconciler enqueues the jobs later.
 */
export const enqueueSoon = async (
  { jobIntake, store, log, tracing }: Parts,
  tickets: readonly EnqueueTicket[],
): Promise<void> => {
  const [first, ...others] = tickets;
  if (first === undefined) return;
  const ids = tickets.map(({ job_id }) => job_id);
  const about = { job_id: first.job_id, ...(others.length > 0 && { others: others.length }) };
  const keepTrace = (traceparent: string): Promise<void> =>
    store.jobs
      .keepTrace(ids, traceparent)
      .catch((error: unknown) => log.warn({ err: error, ...about }, 'the trace of this job may break off'));
  try {
    await tracing.traced(
      'enqueue',
      {
        kind: 'producer',
        attributes: {
          'unfold.job.id': first.job_id,
          ...(others.length > 0 && { 'messaging.batch.message_count': tickets.length }),
        },
      },
      async ({ traceparent }) => {
        const kept = traceparent === null ? null : keepTrace(traceparent);
        try {
          await jobIntake.enqueue(tickets.map((ticket) => ({ ...ticket, traceparent })));
        } finally {
          await kept;
        }
      },
    );
  } catch (error) {
    log.warn({ err: error, ...about }, 'the queue is away; the reconciler will enqueue this job');
  }
};

/** Takes a ticket back. One that stays is harmless: its worker finds nothing to do. */
export const takeBack = async ({ queue, log }: Parts, ticket: EnqueueTicket | null): Promise<void> => {
  if (ticket === null) return;
  await queue.remove(ticket).catch((error: unknown) => {
    log.warn({ err: error, job_id: ticket.job_id }, 'a ticket stays in the queue');
  });
};

/** Tells followers, on every process, that a job's log has grown. */
export const announceHead = async ({ store, queue, log }: Parts, jobId: string): Promise<void> => {
  try {
    const head = (await store.events.heads([jobId])).get(jobId)?.head;
    if (head !== undefined) await queue.announce({ job_id: jobId, seq: head });
  } catch (error) {
    log.warn({ err: error, job_id: jobId }, 'followers will notice within a second');
  }
};

/** Asks a running job's worker at once; if this is lost, the worker sees the request with its next write. */
export const callWorker = async (
  { queue, log }: Parts,
  jobId: string,
  action: 'pause' | 'cancel' | 'resume',
): Promise<void> => {
  await queue.broadcast({ job_id: jobId, action }).catch((error: unknown) => {
    log.warn({ err: error, job_id: jobId, action }, 'the worker will notice with its next write');
  });
};
