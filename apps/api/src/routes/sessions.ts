import {
  deletedResource,
  type ForkRequest,
  forkRequest,
  type SessionListQuery,
  type SessionRequest,
  type SessionResource,
  sessionList,
  sessionListQuery,
  sessionRequest,
  sessionResource,
  standardSessionSeconds,
  UnfoldError,
} from '@unfold/contracts';
import type { Created } from '@unfold/store';
import type { FastifyInstance, FastifyReply } from 'fastify';
import type { z } from 'zod';
import type { ApiContext } from '../context.ts';
import { type Call, defineRoute } from '../http/define-route.ts';
import { goneSignal } from '../http/gone-signal.ts';
import { noBody, requireId, sessionParams } from '../http/parameters.ts';
import { findModel } from '../inference/find-model.ts';
import { quotaOf } from '../limits/quota.ts';
import { openState, ownerOf } from '../sessions/session-call.ts';
import { sessionIdempotency } from '../sessions/session-idempotency.ts';
import { forkExample, sessionExample, sessionRequestExample } from './session-examples.ts';

type Params = { params: z.output<typeof sessionParams> };
type CreateCall = Call<{ body: SessionRequest }>;

const requireLifetime = (seconds: number | null, { config }: ApiContext): void => {
  const most = config.limits.sessionSeconds;
  if (seconds === null || seconds <= most) return;
  throw new UnfoldError('invalid_value', `ttl_seconds: expected at most ${most}, but received ${seconds}.`, {
    param: 'ttl_seconds',
  });
};

const answerCreated = ({ resource, replayed }: Created<SessionResource>, reply: FastifyReply) => {
  if (replayed) reply.header('idempotent-replayed', 'true');
  reply.code(201).header('location', `/v1/sessions/${resource.id}`);
  return resource;
};

/** Creates a session that was not created before with this `Idempotency-Key`. */
const createOnce = async (call: CreateCall): Promise<Created<SessionResource>> => {
  const { context, project, body, request, reply } = call;
  const { store, config } = context;
  const idempotency = sessionIdempotency(request, body);
  const answer = idempotency && (await store.replay<SessionResource>(project, idempotency));
  if (answer) return { resource: answer, replayed: true };
  const model = await findModel(store, project, body.model, 'model');
  const state = body.state === null ? null : Buffer.from(body.state, 'base64');
  const signal = goneSignal(reply, context.closing);
  const owner = ownerOf(request, project);
  const kept = await openState(context, model, owner, { state, context: body.context }, signal);
  return store.sessions.create(
    owner,
    {
      ...kept,
      model: model.id,
      context: body.context,
      metadata: body.metadata ?? {},
      ttl_seconds: body.ttl_seconds ?? Math.min(standardSessionSeconds, config.limits.sessionSeconds),
    },
    idempotency,
    quotaOf(request),
  );
};

const createSession = async (call: CreateCall) => {
  requireLifetime(call.body.ttl_seconds, call.context);
  return answerCreated(await createOnce(call), call.reply);
};

const listSessions = ({ context, project, query, request }: Call<{ query: SessionListQuery }>) =>
  context.store.sessions.list(ownerOf(request, project), query);

const getSession = ({ context, project, params, request }: Call<Params>) =>
  context.store.sessions.get(ownerOf(request, project), requireId('session', params.id));

const deleteSession = ({ context, project, params, request }: Call<Params>) =>
  context.store.sessions.remove(ownerOf(request, project), requireId('session', params.id));

const forkSession = async (call: Call<Params & { body: ForkRequest }>) => {
  const { context, project, params, body, request, reply } = call;
  const id = requireId('session', params.id);
  requireLifetime(body.ttl_seconds, context);
  const idempotency = sessionIdempotency(request, { id, ...body });
  const owner = ownerOf(request, project);
  const forked = await context.store.sessions.fork(owner, id, body, idempotency, quotaOf(request));
  return answerCreated(forked, reply);
};

/** Sessions: what a model remembers between calls, as a small thing to keep, fork and resume. */
export const registerSessionRoutes = (app: FastifyInstance, context: ApiContext): void => {
  defineRoute(app, context, {
    method: 'POST',
    url: '/v1/sessions',
    scope: 'infer',
    tag: 'Sessions',
    summary: 'Create a session',
    description:
      'At the beginning, or at a `state` that this model gave before. A completion with `session` goes on from it, and leaves it after the last ' +
      'token of its answer. Only the key that created a session can see or use it. Takes an `Idempotency-Key`.',
    body: sessionRequest,
    response: { 201: sessionResource },
    errors: [
      'not_found',
      'session_limit',
      'quota_exceeded',
      'idempotency_mismatch',
      'idempotency_in_progress',
      'overloaded',
      'limit_exceeded',
      'artifact_corrupt',
    ],
    docs: { request: sessionRequestExample, response: sessionExample },
    handler: createSession,
  });
  defineRoute(app, context, {
    method: 'GET',
    url: '/v1/sessions',
    scope: 'infer',
    tag: 'Sessions',
    summary: 'List sessions',
    description: "The key's own, newest first.",
    query: sessionListQuery,
    response: { 200: sessionList },
    docs: { response: { object: 'list', data: [sessionExample], has_more: false } },
    handler: listSessions,
  });
  defineRoute(app, context, {
    method: 'GET',
    url: '/v1/sessions/:id',
    scope: 'infer',
    tag: 'Sessions',
    summary: 'Get a session',
    description: 'As it was left by the last completion that has ended. One that has expired is unknown.',
    params: sessionParams,
    response: { 200: sessionResource },
    errors: ['not_found'],
    docs: { response: sessionExample },
    handler: getSession,
  });
  defineRoute(app, context, {
    method: 'DELETE',
    url: '/v1/sessions/:id',
    scope: 'infer',
    tag: 'Sessions',
    summary: 'Delete a session',
    description: 'With its snapshots. A completion that is using it runs to its end, which is then not kept.',
    params: sessionParams,
    body: noBody,
    response: { 200: deletedResource },
    errors: ['not_found'],
    docs: { response: { id: sessionExample.id, object: 'session', deleted: true } },
    handler: deleteSession,
  });
  defineRoute(app, context, {
    method: 'POST',
    url: '/v1/sessions/:id/fork',
    scope: 'infer',
    tag: 'Sessions',
    summary: 'Fork a session',
    description:
      'Another session at the same point, or at a snapshot: from there each goes its own way. While a completion is using the session, ' +
      'its point is where that began. Takes an `Idempotency-Key`.',
    params: sessionParams,
    body: forkRequest,
    response: { 201: sessionResource },
    errors: [
      'not_found',
      'session_limit',
      'quota_exceeded',
      'idempotency_mismatch',
      'idempotency_in_progress',
    ],
    docs: { request: forkExample, response: { ...sessionExample, forked_from: sessionExample.id } },
    handler: forkSession,
  });
};
