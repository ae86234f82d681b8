import {
  type FineTuningCheckpoint,
  type FineTuningEvent,
  fineTuningCheckpointList,
  fineTuningEventList,
  type Page,
  pageQuery,
  UnfoldError,
} from '@unfold/contracts';
import type { FastifyInstance } from 'fastify';
import type { z } from 'zod';
import type { ApiContext } from '../context.ts';
import { toFineTuningCheckpoint } from '../fine-tuning/checkpoint-view.ts';
import { seqOfEvent, toFineTuningEvent } from '../fine-tuning/event-view.ts';
import { type Call, defineRoute } from '../http/define-route.ts';
import { jobParams, requireId } from '../http/parameters.ts';
import { fineTuningCheckpointExample, fineTuningEventExample } from './examples.ts';

/** As OpenAI lists them: newest first only. */
const eventsQuery = pageQuery.omit({ order: true });

type ListCall = Call<{ params: z.output<typeof jobParams>; query: z.output<typeof pageQuery> }>;
type EventsCall = Call<{ params: z.output<typeof jobParams>; query: z.output<typeof eventsQuery> }>;

/** The sequence number that a page ends before. */
const readAfter = async ({ store }: ApiContext, jobId: string, after: string): Promise<number> => {
  const seq = seqOfEvent(jobId, after);
  const head = (await store.events.heads([jobId])).get(jobId)?.head ?? 0;
  if (seq !== null && seq <= head) return seq;
  throw new UnfoldError(
    'invalid_value',
    `after: expected the id of an event of this job, but received ${JSON.stringify(after)}.`,
    { param: 'after' },
  );
};

const listEvents = async ({
  context,
  project,
  params,
  query,
}: EventsCall): Promise<Page<FineTuningEvent>> => {
  const { id } = await context.store.jobs.get(project, requireId('job', params.id));
  const frames = await context.store.events.read(id, {
    order: 'newest_first',
    before: query.after === undefined ? undefined : await readAfter(context, id, query.after),
    limit: query.limit + 1,
  });
  return {
    object: 'list',
    data: frames.slice(0, query.limit).map(toFineTuningEvent),
    has_more: frames.length > query.limit,
  };
};

const listCheckpoints = async ({
  context,
  project,
  params,
  query,
}: ListCall): Promise<Page<FineTuningCheckpoint>> => {
  const { checkpoints } = context.store;
  const page = await checkpoints.list(project, requireId('job', params.id), query);
  const metrics = await checkpoints.metrics(page.data.map(({ id }) => id));
  return { ...page, data: page.data.map((row) => toFineTuningCheckpoint(row, metrics.get(row.id) ?? {})) };
};

/** What a fine-tuning job left behind, in OpenAI's shapes. */
export const registerFineTuningRecordRoutes = (app: FastifyInstance, context: ApiContext): void => {
  const common = {
    method: 'GET' as const,
    scope: 'read' as const,
    tag: 'Fine-tuning',
    params: jobParams,
    errors: ['not_found' as const],
  };
  defineRoute(app, context, {
    ...common,
    url: '/v1/fine_tuning/jobs/:id/events',
    query: eventsQuery,
    summary: 'List the events of a fine-tuning job',
    description: 'Newest first. The event log of `/v1/jobs/{id}/events`, told in sentences.',
    response: { 200: fineTuningEventList },
    docs: { response: { object: 'list', data: [fineTuningEventExample], has_more: false } },
    handler: listEvents,
  });
  defineRoute(app, context, {
    ...common,
    url: '/v1/fine_tuning/jobs/:id/checkpoints',
    query: pageQuery,
    summary: 'List the checkpoints of a fine-tuning job',
    description: 'Newest first. `fine_tuned_model_checkpoint` can be used wherever a model can.',
    response: { 200: fineTuningCheckpointList },
    docs: { response: { object: 'list', data: [fineTuningCheckpointExample], has_more: false } },
    handler: listCheckpoints,
  });
};
