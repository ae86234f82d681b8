import {
  deletedResource,
  pageQuery,
  type RestoreRequest,
  restoreRequest,
  sessionResource,
  snapshotList,
  snapshotResource,
} from '@unfold/contracts';
import type { FastifyInstance } from 'fastify';
import type { z } from 'zod';
import type { ApiContext } from '../context.ts';
import { type Call, defineRoute } from '../http/define-route.ts';
import { noBody, requireId, sessionParams, snapshotParams } from '../http/parameters.ts';
import { quotaOf } from '../limits/quota.ts';
import { ownerOf } from '../sessions/session-call.ts';
import { sessionIdempotency } from '../sessions/session-idempotency.ts';
import { restoreExample, sessionExample, snapshotExample } from './session-examples.ts';

type Params = { params: z.output<typeof sessionParams> };

const createSnapshot = async ({ context, project, params, request, reply }: Call<Params>) => {
  const id = requireId('session', params.id);
  const { resource, replayed } = await context.store.sessions.snapshot(
    ownerOf(request, project),
    id,
    sessionIdempotency(request, { id }),
    quotaOf(request),
  );
  if (replayed) reply.header('idempotent-replayed', 'true');
  reply.code(201);
  return resource;
};

const listSnapshots = (call: Call<Params & { query: z.output<typeof pageQuery> }>) => {
  const { context, project, params, query, request } = call;
  return context.store.sessions.snapshots(ownerOf(request, project), requireId('session', params.id), query);
};

const deleteSnapshot = (call: Call<{ params: z.output<typeof snapshotParams> }>) => {
  const { context, project, params, request } = call;
  const id = requireId('session', params.id);
  return context.store.sessions.removeSnapshot(ownerOf(request, project), id, params.snapshot);
};

const restoreSession = ({
  context,
  project,
  params,
  body,
  request,
}: Call<Params & { body: RestoreRequest }>) =>
  context.store.sessions.restore(ownerOf(request, project), requireId('session', params.id), body.snapshot);

/** Points of a session that are kept, to go back to or to fork from. */
export const registerSnapshotRoutes = (app: FastifyInstance, context: ApiContext): void => {
  defineRoute(app, context, {
    method: 'POST',
    url: '/v1/sessions/:id/snapshots',
    scope: 'infer',
    tag: 'Sessions',
    summary: 'Take a snapshot of a session',
    description: 'Of where the last completion that has ended left it. Takes an `Idempotency-Key`.',
    params: sessionParams,
    body: noBody,
    response: { 201: snapshotResource },
    errors: [
      'not_found',
      'snapshot_limit',
      'quota_exceeded',
      'idempotency_mismatch',
      'idempotency_in_progress',
    ],
    docs: { response: snapshotExample },
    handler: createSnapshot,
  });
  defineRoute(app, context, {
    method: 'GET',
    url: '/v1/sessions/:id/snapshots',
    scope: 'infer',
    tag: 'Sessions',
    summary: 'List the snapshots of a session',
    description: 'Newest first.',
    params: sessionParams,
    query: pageQuery,
    response: { 200: snapshotList },
    errors: ['not_found'],
    docs: { response: { object: 'list', data: [snapshotExample], has_more: false } },
    handler: listSnapshots,
  });
  defineRoute(app, context, {
    method: 'DELETE',
    url: '/v1/sessions/:id/snapshots/:snapshot',
    scope: 'infer',
    tag: 'Sessions',
    summary: 'Delete a snapshot',
    description: 'Sessions that were forked from it stay.',
    params: snapshotParams,
    body: noBody,
    response: { 200: deletedResource },
    errors: ['not_found'],
    docs: { response: { id: snapshotExample.id, object: 'session.snapshot', deleted: true } },
    handler: deleteSnapshot,
  });
  defineRoute(app, context, {
    method: 'POST',
    url: '/v1/sessions/:id/restore',
    scope: 'infer',
    tag: 'Sessions',
    summary: 'Put a session back to a snapshot',
    description: 'Not while a completion is using it: 409.',
    params: sessionParams,
    body: restoreRequest,
    response: { 200: sessionResource },
    errors: ['not_found', 'session_busy'],
    docs: { request: restoreExample, response: sessionExample },
    handler: restoreSession,
  });
};
