import { type Frame, frame, frameTypes, isFinal, listOf, UnfoldError } from '@unfold/contracts';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { z } from 'zod';
import type { ApiContext } from '../context.ts';
import { type Call, defineRoute } from '../http/define-route.ts';
import { openEventStream } from '../http/event-stream.ts';
import { jobParams, requireId } from '../http/parameters.ts';
import { frameExample } from './examples.ts';
import { afterSeq } from './job-socket.ts';

const eventsQuery = z.strictObject({
  after: afterSeq,
  limit: z.coerce.number().int().min(1).max(1000).default(100),
  type: z.enum(frameTypes).optional().meta({ description: 'Only frames of this type.' }),
});
type EventsCall = Call<{ params: z.output<typeof jobParams>; query: z.output<typeof eventsQuery> }>;

const frameList = listOf(frame, 'FrameList');

const readLastEventId = (header: string | string[] | undefined): number | null => {
  if (header === undefined || header === '') return null;
  const parsed = afterSeq.safeParse(header);
  if (parsed.success && typeof header === 'string' && /^\d+$/.test(header)) return parsed.data;
  throw new UnfoldError('invalid_value', 'Last-Event-ID: expected the id of an event of this stream.', {
    param: 'Last-Event-ID',
  });
};

/** The whole log from `after` on, then live, until the job ends. */
const followAsEvents = async ({
  context,
  params,
  query,
  request,
  reply,
}: EventsCall): Promise<FastifyReply> => {
  const { hub, sockets, timings, closing, store } = context;
  const after = readLastEventId(request.headers['last-event-id']) ?? query.after;
  sockets.requireRoom();
  const head = (await store.events.heads([params.id])).get(params.id);
  // 204 tells an EventSource that came back after the end to stop coming back.
  if (head !== undefined && isFinal(head.status) && after >= head.head) return reply.code(204).send();
  const stream = openEventStream(reply, { ...timings, closing });
  const leave = sockets.enter('/v1/jobs/:id/events');
  const wanted = (given: Frame): boolean => query.type === undefined || given.type === query.type;
  const follower = hub.follow(params.id, after, {
    write: ({ frame: given, seq, text }) => !wanted(given) || stream.write(`id: ${seq}\ndata: ${text}\n\n`),
    ready: () => stream.ready(),
    end: () => stream.end(),
  });
  stream.over.addEventListener('abort', () => {
    follower.close();
    leave();
  });
  return reply;
};

const listEvents = async (call: EventsCall) => {
  const { context, project, params, query, request } = call;
  const job = await context.store.jobs.get(project, requireId('job', params.id));
  if (request.headers.accept?.includes('text/event-stream')) return followAsEvents(call);
  const frames = await context.store.events.read(job.id, { ...query, limit: query.limit + 1 });
  return { object: 'list', data: frames.slice(0, query.limit), has_more: frames.length > query.limit };
};

/** A job's event log, in pages or as server-sent events. */
export const registerJobEventRoutes = (app: FastifyInstance, context: ApiContext): void => {
  defineRoute(app, context, {
    method: 'GET',
    url: '/v1/jobs/:id/events',
    head: false,
    scope: 'read',
    tag: 'Jobs',
    summary: 'Read the event log of a job',
    description:
      'The frames that the sockets send, oldest first; `after` is the `seq` of the last one of the page before. With `Accept: text/event-stream` ' +
      'they come as server-sent events (`id` is the `seq`), everything after `after` or `Last-Event-ID`, then live until the job ends; 204 when there is nothing more to come.',
    params: jobParams,
    query: eventsQuery,
    response: {
      200: {
        description: 'Frames.',
        content: { 'application/json': { schema: frameList }, 'text/event-stream': { schema: z.string() } },
      },
      204: { description: 'The job has ended and the client has everything.' },
    },
    errors: ['not_found', 'overloaded'],
    docs: { response: { object: 'list', data: [frameExample], has_more: false } },
    handler: listEvents,
  });
};
