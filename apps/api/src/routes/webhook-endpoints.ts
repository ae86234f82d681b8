import {
  deletedResource,
  pageQuery,
  type WebhookEndpointChange,
  type WebhookEndpointRequest,
  webhookEndpointChange,
  webhookEndpointList,
  webhookEndpointRequest,
  webhookEndpointResource,
} from '@unfold/contracts';
import type { FastifyInstance } from 'fastify';
import type { z } from 'zod';
import type { ApiContext } from '../context.ts';
import { type Call, defineRoute } from '../http/define-route.ts';
import { idempotencyOf } from '../http/idempotency.ts';
import { noBody, requireId, webhookEndpointParams } from '../http/parameters.ts';
import { readTarget } from '../webhooks/target.ts';
import { webhookEndpointExample, webhookEndpointRequestExample } from './webhook-examples.ts';

type Params = { params: z.output<typeof webhookEndpointParams> };

const idOf = ({ params }: { params: Params['params'] }): string => requireId('webhook endpoint', params.id);

const createEndpoint = async ({
  context,
  project,
  body,
  request,
  reply,
}: Call<{ body: WebhookEndpointRequest }>) => {
  const { config, store } = context;
  readTarget(body.url, config.webhooks.privateHosts);
  const { resource, replayed } = await store.webhooks.create(
    project,
    body,
    config.limits.webhookEndpoints,
    idempotencyOf(request, body),
  );
  if (replayed) reply.header('idempotent-replayed', 'true');
  reply
    .code(201)
    .header('location', `/v1/webhook_endpoints/${resource.id}`)
    .header('cache-control', 'no-store');
  return resource;
};

const listEndpoints = ({ context, project, query }: Call<{ query: z.output<typeof pageQuery> }>) =>
  context.store.webhooks.list(project, query);

const getEndpoint = async (call: Call<Params>) => call.context.store.webhooks.get(call.project, idOf(call));

const changeEndpoint = async (call: Call<Params & { body: WebhookEndpointChange }>) => {
  const { context, project, body } = call;
  const id = idOf(call);
  if (body.url !== undefined) readTarget(body.url, context.config.webhooks.privateHosts);
  const changed = await context.store.webhooks.change(project, id, body);
  // What waited while it was disabled is due.
  if (body.enabled) context.webhooks.wake();
  return changed;
};

const deleteEndpoint = async (call: Call<Params>) =>
  call.context.store.webhooks.remove(call.project, idOf(call));

const rotateSecret = async (call: Call<Params>) => {
  const rotated = await call.context.store.webhooks.rotateSecret(call.project, idOf(call));
  call.reply.header('cache-control', 'no-store');
  return rotated;
};

/** Where a project wants to be told of events. All of it asks for `train`: an address may hold a secret of its receiver. */
export const registerWebhookEndpointRoutes = (app: FastifyInstance, context: ApiContext): void => {
  const common = { scope: 'train' as const, tag: 'Webhooks' };
  const one = {
    ...common,
    params: webhookEndpointParams,
    response: { 200: webhookEndpointResource },
    errors: ['not_found' as const],
  };
  const { secret: _, ...withoutSecret } = webhookEndpointExample;
  defineRoute(app, context, {
    ...common,
    method: 'POST',
    url: '/v1/webhook_endpoints',
    summary: 'Create a webhook endpoint',
    description:
      'Events are posted to `url`, signed as Standard Webhooks say: `client.webhooks.unwrap` of OpenAI’s client verifies them. The `secret` is in this answer and ' +
      'never again. The host must be on the public internet, unless the configuration names it. Takes an `Idempotency-Key`.',
    body: webhookEndpointRequest,
    response: { 201: webhookEndpointResource },
    errors: ['limit_exceeded', 'idempotency_mismatch', 'idempotency_in_progress'],
    docs: { request: webhookEndpointRequestExample, response: webhookEndpointExample },
    handler: createEndpoint,
  });
  defineRoute(app, context, {
    ...common,
    method: 'GET',
    url: '/v1/webhook_endpoints',
    summary: 'List webhook endpoints',
    description: 'Newest first, without their secrets.',
    query: pageQuery,
    response: { 200: webhookEndpointList },
    docs: { response: { object: 'list', data: [withoutSecret], has_more: false } },
    handler: listEndpoints,
  });
  defineRoute(app, context, {
    ...one,
    method: 'GET',
    url: '/v1/webhook_endpoints/:id',
    summary: 'Get a webhook endpoint',
    description: 'Without its secret.',
    docs: { response: withoutSecret },
    handler: getEndpoint,
  });
  defineRoute(app, context, {
    ...one,
    method: 'POST',
    url: '/v1/webhook_endpoints/:id',
    summary: 'Change a webhook endpoint',
    description:
      'Only what is given changes. A disabled endpoint is told of nothing that happens meanwhile; what was on its way waits.',
    body: webhookEndpointChange,
    docs: {
      request: { events: ['fine_tuning.job.failed'], enabled: true },
      response: { ...withoutSecret, events: ['fine_tuning.job.failed'] },
    },
    handler: changeEndpoint,
  });
  defineRoute(app, context, {
    ...one,
    method: 'POST',
    url: '/v1/webhook_endpoints/:id/rotate_secret',
    summary: 'Rotate the secret of a webhook endpoint',
    description:
      'The new `secret` is in this answer and never again. For 24 hours deliveries are signed with both.',
    body: noBody,
    docs: { response: webhookEndpointExample },
    handler: rotateSecret,
  });
  defineRoute(app, context, {
    ...one,
    method: 'DELETE',
    url: '/v1/webhook_endpoints/:id',
    summary: 'Delete a webhook endpoint',
    description: 'Takes its deliveries along, also those that were not delivered yet.',
    body: noBody,
    response: { 200: deletedResource },
    docs: { response: { id: withoutSecret.id, object: 'webhook_endpoint', deleted: true } },
    handler: deleteEndpoint,
  });
};
