import type { WebhookDeliveryResource, WebhookEndpointResource } from '@unfold/contracts';
import { exampleIds } from './examples.ts';

export const webhookEndpointRequestExample = {
  url: 'https://example.org/hooks/unfold',
  events: ['fine_tuning.job.succeeded', 'fine_tuning.job.failed'],
  description: 'tells the team',
};

export const webhookEndpointExample: WebhookEndpointResource = {
  id: exampleIds.webhookEndpoint,
  object: 'webhook_endpoint',
  url: 'https://example.org/hooks/unfold',
  events: ['fine_tuning.job.succeeded', 'fine_tuning.job.failed'],
  description: 'tells the team',
  metadata: {},
  enabled: true,
  created_at: 1_795_377_600,
  secret: 'whsec_…',
};

export const webhookDeliveryExample: WebhookDeliveryResource = {
  id: exampleIds.webhookDelivery,
  object: 'webhook_endpoint.delivery',
  endpoint_id: exampleIds.webhookEndpoint,
  event: {
    id: exampleIds.webhookEvent,
    object: 'event',
    type: 'fine_tuning.job.succeeded',
    created_at: 1_795_377_700,
    data: { id: exampleIds.job },
  },
  status: 'delivered',
  attempts: 1,
  response_status: 200,
  error: null,
  next_attempt_at: null,
  last_attempt_at: 1_795_377_700,
  delivered_at: 1_795_377_700,
  created_at: 1_795_377_700,
};

export const webhookTestExample: WebhookDeliveryResource = {
  ...webhookDeliveryExample,
  event: { ...webhookDeliveryExample.event, type: 'webhook.test', data: { id: exampleIds.webhookEndpoint } },
  status: 'pending',
  attempts: 0,
  response_status: null,
  next_attempt_at: 1_795_377_700,
  last_attempt_at: null,
  delivered_at: null,
};
