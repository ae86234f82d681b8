import { pageQuery, webhookDeliveryList, webhookDeliveryResource } from '@unfold/contracts';
import type { FastifyInstance } from 'fastify';
import type { z } from 'zod';
import type { ApiContext } from '../context.ts';
import { type Call, defineRoute } from '../http/define-route.ts';
import { noBody, requireId, webhookDeliveryParams, webhookEndpointParams } from '../http/parameters.ts';
import { webhookDeliveryExample, webhookTestExample } from './webhook-examples.ts';

type Params = { params: z.output<typeof webhookEndpointParams> };

const listDeliveries = async ({
  context,
  project,
  params,
  query,
}: Call<Params & { query: z.output<typeof pageQuery> }>) =>
  context.store.webhooks.deliveries(project, requireId('webhook endpoint', params.id), query);

const redeliver = async ({
  context,
  project,
  params,
}: Call<{ params: z.output<typeof webhookDeliveryParams> }>) => {
  const id = requireId('webhook endpoint', params.id);
  const deliveryId = requireId('delivery', params.delivery, 'delivery');
  const delivery = await context.store.webhooks.redeliver(project, id, deliveryId);
  context.webhooks.wake();
  return delivery;
};

const testEndpoint = async ({ context, project, params, reply }: Call<Params>) => {
  const delivery = await context.store.webhooks.test(project, requireId('webhook endpoint', params.id));
  context.webhooks.wake();
  reply.code(201);
  return delivery;
};

/** What was sent to an endpoint, and what is to be sent. */
export const registerWebhookDeliveryRoutes = (app: FastifyInstance, context: ApiContext): void => {
  const common = { scope: 'train' as const, tag: 'Webhooks' };
  defineRoute(app, context, {
    ...common,
    method: 'GET',
    url: '/v1/webhook_endpoints/:id/deliveries',
    summary: 'List the deliveries to a webhook endpoint',
    description:
      'Newest first: of each its event, its status, how many attempts there were, how the last one went and when the next one comes. The log is kept for 30 days ' +
      '(`UNFOLD_WEBHOOK_LOG_DAYS`), and no more than the newest 1000 that are settled.',
    params: webhookEndpointParams,
    query: pageQuery,
    response: { 200: webhookDeliveryList },
    errors: ['not_found'],
    docs: { response: { object: 'list', data: [webhookDeliveryExample], has_more: false } },
    handler: listDeliveries,
  });
  defineRoute(app, context, {
    ...common,
    method: 'POST',
    url: '/v1/webhook_endpoints/:id/deliveries/:delivery/redeliver',
    summary: 'Deliver again',
    description: 'At once, with all of its attempts before it. The event keeps its id.',
    params: webhookDeliveryParams,
    body: noBody,
    response: { 200: webhookDeliveryResource },
    errors: ['not_found', 'wrong_state'],
    docs: { response: { ...webhookDeliveryExample, status: 'pending', attempts: 0, delivered_at: null } },
    handler: redeliver,
  });
  defineRoute(app, context, {
    ...common,
    method: 'POST',
    url: '/v1/webhook_endpoints/:id/test',
    summary: 'Test a webhook endpoint',
    description: 'Sends an event `webhook.test`; the log of deliveries shows how it went.',
    params: webhookEndpointParams,
    body: noBody,
    response: { 201: webhookDeliveryResource },
    errors: ['not_found', 'wrong_state'],
    docs: { response: webhookTestExample },
    handler: testEndpoint,
  });
};
