import { type JobStatus, UnfoldError } from '@unfold/contracts';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { ApiContext } from '../context.ts';
import { type Call, defineRoute } from '../http/define-route.ts';

const alive = z.object({ status: z.literal('ok') }).meta({ id: 'Health' });
const ready = z
  .object({ status: z.literal('ok'), database: z.literal('ok'), queue: z.literal('ok') })
  .meta({ id: 'Readiness' });

const getHealth = async () => ({ status: 'ok' as const });

const getReady = async ({ context }: Call) => {
  if (context.closing.aborted) throw new UnfoldError('unavailable', 'The server is stopping.');
  const [database, queue] = await Promise.allSettled([context.store.ping(), context.queue.ping()]);
  const lost = [database.status === 'rejected' && 'database', queue.status === 'rejected' && 'queue'].filter(
    Boolean,
  );
  if (lost.length > 0)
    throw new UnfoldError('unavailable', `The ${lost.join(' and the ')} cannot be reached right now.`);
  return { status: 'ok' as const, database: 'ok' as const, queue: 'ok' as const };
};

const unfinished: JobStatus[] = ['queued', 'running', 'paused'];

/** Numbers that are asked for and not counted along. A store that is away leaves them at their last value. */
const refreshGauges = async ({ store, queue, metrics }: ApiContext): Promise<void> => {
  const [jobs, held, wait, sessions, webhooks] = await Promise.allSettled([
    store.jobs.counts(),
    queue.counts(),
    store.jobs.longestWait(),
    store.sessions.count(),
    store.webhooks.pending(),
  ]);
  if (jobs.status === 'fulfilled')
    for (const status of unfinished) metrics.jobs.set({ status }, jobs.value[status]);
  if (held.status === 'fulfilled')
    for (const [status, count] of Object.entries(held.value)) metrics.queueJobs.set({ status }, count);
  if (wait.status === 'fulfilled') metrics.longestWaitSeconds.set(wait.value);
  if (sessions.status === 'fulfilled') metrics.sessions.set(sessions.value);
  if (webhooks.status === 'fulfilled') metrics.webhooksPending.set(webhooks.value);
};

const getMetrics = async ({ context, reply }: Call) => {
  await refreshGauges(context);
  return reply
    .header('content-type', context.metrics.registry.contentType)
    .send(await context.metrics.registry.metrics());
};

/** What operators and schedulers ask. */
export const registerServiceRoutes = (app: FastifyInstance, context: ApiContext): void => {
  defineRoute(app, context, {
    method: 'GET',
    url: '/health',
    scope: null,
    tag: 'Service',
    summary: 'Is the process alive?',
    description: 'Asks nothing of the database or the queue.',
    response: { 200: alive },
    docs: { response: { status: 'ok' } },
    handler: getHealth,
  });
  defineRoute(app, context, {
    method: 'GET',
    url: '/ready',
    scope: null,
    tag: 'Service',
    summary: 'Can requests be served?',
    description: 'Asks the database and the queue; 503 names which is away.',
    response: { 200: ready },
    docs: { response: { status: 'ok', database: 'ok', queue: 'ok' } },
    handler: getReady,
  });
  defineRoute(app, context, {
    method: 'GET',
    url: '/metrics',
    scope: 'read',
    tag: 'Service',
    summary: 'Metrics for Prometheus',
    description:
      'What apps/api/METRICS.md lists: requests, refusals, jobs and queue, streams, inference, sessions, webhooks.',
    response: {
      200: { description: "Prometheus's text format.", content: { 'text/plain': { schema: z.string() } } },
    },
    handler: getMetrics,
  });
};
