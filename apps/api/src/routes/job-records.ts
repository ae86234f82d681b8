import { checkpointList, metricsResource, pageQuery } from '@unfold/contracts';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { ApiContext } from '../context.ts';
import { type Call, defineRoute } from '../http/define-route.ts';
import { sendLargeJson } from '../http/large-json.ts';
import { jobParams, requireId } from '../http/parameters.ts';
import { checkpointExample, metricsExample } from './examples.ts';

type Params = { params: z.output<typeof jobParams> };

const metricsQuery = z.strictObject({
  names: z
    .string()
    .regex(/^[a-z0-9_]{1,64}(,[a-z0-9_]{1,64}){0,31}$/, 'expected metric names separated by commas')
    .optional()
    .meta({ description: 'Names separated by commas; all by default.', examples: ['loss,validation_loss'] }),
  after_step: z.coerce.number().int().min(0).max(1_000_000_000).optional().meta({
    description: 'Only points after this step.',
  }),
  points: z.coerce.number().int().min(2).max(100_000).optional().meta({
    description:
      'Thin the curve out to at most so many points, evenly over the steps: the first and the last stay, and up to half go to names with few points. `downsampled` says whether that happened.',
  }),
  times: z
    .enum(['true', 'false'])
    .transform((text) => text === 'true')
    .optional()
    .meta({ description: 'Also tell when each point was told: `times`, in Unix milliseconds.' }),
});

/** Beyond so many steps the text of the answer is large enough to be written in pieces. */
const longCurve = 5000;

const getMetrics = async ({
  context,
  project,
  params,
  query,
  reply,
}: Call<Params & { query: z.output<typeof metricsQuery> }>) => {
  const job = await context.store.jobs.get(project, requireId('job', params.id));
  const metrics = await context.store.events.metrics(job.id, { ...query, names: query.names?.split(',') });
  return metrics.steps.length > longCurve ? sendLargeJson(reply, metrics) : metrics;
};

const listCheckpoints = async ({
  context,
  project,
  params,
  query,
}: Call<Params & { query: z.output<typeof pageQuery> }>) => {
  const job = await context.store.jobs.get(project, requireId('job', params.id));
  return context.store.checkpoints.list(project, job.id, query);
};

/** What a run left behind: its curves and its checkpoints. */
export const registerJobRecordRoutes = (app: FastifyInstance, context: ApiContext): void => {
  defineRoute(app, context, {
    method: 'GET',
    url: '/v1/jobs/:id/metrics',
    scope: 'read',
    tag: 'Jobs',
    summary: 'Get the curves of a job',
    description:
      'Each step once, without what a restart withdrew. A series holds null where it has no value. A socket that is followed after `seq` goes on where the curves end: merge by step what it tells, and drop points where a `restart` says so.',
    params: jobParams,
    query: metricsQuery,
    response: { 200: metricsResource },
    errors: ['not_found'],
    docs: { response: metricsExample },
    handler: getMetrics,
  });
  defineRoute(app, context, {
    method: 'GET',
    url: '/v1/jobs/:id/checkpoints',
    scope: 'read',
    tag: 'Jobs',
    summary: 'List the checkpoints of a job',
    description: 'Newest first. Each can be used wherever a model can.',
    params: jobParams,
    query: pageQuery,
    response: { 200: checkpointList },
    errors: ['not_found'],
    docs: { response: { object: 'list', data: [checkpointExample], has_more: false } },
    handler: listCheckpoints,
  });
};
