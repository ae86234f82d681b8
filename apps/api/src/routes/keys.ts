import { deletedResource, keyList, keyRequest, keyResource, pageQuery, UnfoldError } from '@unfold/contracts';
import type { FastifyInstance } from 'fastify';
import type { z } from 'zod';
import type { ApiContext } from '../context.ts';
import { type Call, defineRoute } from '../http/define-route.ts';
import { idempotencyOf } from '../http/idempotency.ts';
import { keyParams, noBody, requireId } from '../http/parameters.ts';
import { keyExample, keyRequestExample } from './examples.ts';

type CreateCall = Call<{ body: z.output<typeof keyRequest> }>;

/** Afterwards only a key may manage keys: a first one that may not would lock its owner out. */
const requireAdminFirst = ({ body, request }: CreateCall): void => {
  if (request.identity?.id !== 'local' || body.scopes.includes('admin')) return;
  throw new UnfoldError(
    'wrong_state',
    'scopes: the first key of a server needs the scope "admin" (which includes the others), since from then on only such a key can manage keys. ' +
      'Create one with "scopes": ["admin"] and use it to create this one, or start the server with UNFOLD_ADMIN_KEY.',
    { param: 'scopes' },
  );
};

const createKey = async (call: CreateCall) => {
  requireAdminFirst(call);
  const { context, body, request, reply } = call;
  const { resource, replayed } = await context.store.keys.create(body, idempotencyOf(request, body));
  if (replayed) reply.header('idempotent-replayed', 'true');
  context.gate.forget();
  reply.code(201).header('location', `/v1/keys/${resource.id}`).header('cache-control', 'no-store');
  return resource;
};

const listKeys = ({ context, query }: Call<{ query: z.output<typeof pageQuery> }>) =>
  context.store.keys.list(null, query);

const revokeKey = async ({ context, params }: Call<{ params: z.output<typeof keyParams> }>) => {
  const revoked = await context.store.keys.revoke(requireId('key', params.id));
  context.gate.forget();
  return revoked;
};

/** API keys. The first one, or UNFOLD_ADMIN_KEY, closes the server to everybody without one. */
export const registerKeyRoutes = (app: FastifyInstance, context: ApiContext): void => {
  defineRoute(app, context, {
    method: 'POST',
    url: '/v1/keys',
    scope: 'admin',
    tag: 'Keys',
    summary: 'Create an API key',
    description:
      'The secret is in this answer and never again. Once a key exists, every request needs one, so the first must have the scope `admin`, which includes the others. `limits` are what its holder may use; null is what the configuration says. Takes an `Idempotency-Key`; a repeated answer lacks the secret.',
    body: keyRequest,
    response: { 201: keyResource },
    errors: ['wrong_state', 'idempotency_mismatch', 'idempotency_in_progress'],
    docs: { request: keyRequestExample, response: { ...keyExample, key: 'unfold-…' } },
    handler: createKey,
  });
  defineRoute(app, context, {
    method: 'GET',
    url: '/v1/keys',
    scope: 'admin',
    tag: 'Keys',
    summary: 'List API keys',
    description: 'Newest first, of all projects, without their secrets.',
    query: pageQuery,
    response: { 200: keyList },
    docs: { response: { object: 'list', data: [keyExample], has_more: false } },
    handler: listKeys,
  });
  defineRoute(app, context, {
    method: 'DELETE',
    url: '/v1/keys/:id',
    scope: 'admin',
    tag: 'Keys',
    summary: 'Revoke an API key',
    description:
      'The next request with it is refused, by other processes of the API within a second. Its sessions are deleted.',
    params: keyParams,
    body: noBody,
    response: { 200: deletedResource },
    errors: ['not_found'],
    docs: { response: { id: keyExample.id, object: 'api_key', deleted: true } },
    handler: revokeKey,
  });
};
