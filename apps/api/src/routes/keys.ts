import { deletedResource, keyList, keyRequest, keyResource, pageQuery } from '@unfold/contracts';
import type { FastifyInstance } from 'fastify';
import type { z } from 'zod';
import type { ApiContext } from '../context.ts';
import { type Call, defineRoute } from '../http/define-route.ts';
import { idempotencyOf } from '../http/idempotency.ts';
import { keyParams, noBody, requireId } from '../http/parameters.ts';
import { keyExample, keyRequestExample } from './examples.ts';

const createKey = async ({ context, body, request, reply }: Call<{ body: z.output<typeof keyRequest> }>) => {
  const { resource } = await context.store.keys.create(body, idempotencyOf(request, body));
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
      'The secret is in this answer and never again. Once a key exists, every request needs one: let the first have the scope `admin`.',
    body: keyRequest,
    response: { 201: keyResource },
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
    description: 'The next request with it is refused.',
    params: keyParams,
    body: noBody,
    response: { 200: deletedResource },
    errors: ['not_found'],
    docs: { response: { id: keyExample.id, object: 'api_key', deleted: true } },
    handler: revokeKey,
  });
};
