import { z } from 'zod';
import { jobStatus } from './frames.ts';
import { jobId, modelId, webhookDeliveryId, webhookEndpointId, webhookEventId } from './ids.ts';
import { listOf } from './resources.ts';
import { cleanText, metadata } from './text.ts';

const unixSeconds = z.int().meta({ description: 'Unix time in seconds.' });

/** What can be subscribed to. The first three are OpenAI's and come for every job, however it was posted. */
export const webhookEventTypes = [
  'fine_tuning.job.succeeded',
  'fine_tuning.job.failed',
  'fine_tuning.job.cancelled',
  'training.job.running',
  'training.job.paused',
  'training.job.succeeded',
  'training.job.failed',
  'training.job.cancelled',
] as const;
const eventType = z.enum(webhookEventTypes);
export type WebhookEventType = z.output<typeof eventType>;

const events = z
  .array(eventType)
  .min(1)
  .max(webhookEventTypes.length)
  .overwrite((types) => [...new Set(types)]);
const url = cleanText({ min: 1, max: 2000 }).meta({
  description: 'An https address that the internet can reach, without a user or a fragment.',
});
const description = cleanText({ max: 512 }).nullable();

export const webhookEndpointRequest = z
  .strictObject({
    url,
    events,
    description: description.default(null),
    metadata: metadata.default({}),
  })
  .meta({ id: 'WebhookEndpointRequest' });
export type WebhookEndpointRequest = z.output<typeof webhookEndpointRequest>;
export type WebhookEndpointRequestInput = z.input<typeof webhookEndpointRequest>;

export const webhookEndpointChange = z
  .strictObject({
    url: url.optional(),
    events: events.optional(),
    description: description.optional(),
    metadata: metadata.optional(),
    enabled: z.boolean().optional(),
  })
  .meta({ id: 'WebhookEndpointChange', description: 'Only what is given changes.' });
export type WebhookEndpointChange = z.output<typeof webhookEndpointChange>;
export type WebhookEndpointChangeInput = z.input<typeof webhookEndpointChange>;

export const webhookEndpointResource = z
  .object({
    id: webhookEndpointId,
    object: z.literal('webhook_endpoint'),
    url: z.string(),
    events: z.array(eventType),
    description,
    metadata,
    enabled: z.boolean(),
    created_at: unixSeconds,
    secret: z.string().optional().meta({
      description: 'What deliveries are signed with; only in the answer that made it.',
    }),
  })
  .meta({ id: 'WebhookEndpoint' });
export type WebhookEndpointResource = z.output<typeof webhookEndpointResource>;
export const webhookEndpointList = listOf(webhookEndpointResource, 'WebhookEndpointList');

/** What an endpoint is sent, as OpenAI shapes it; `id` is also the header `webhook-id`, the same for every attempt. */
export const webhookEvent = z
  .object({
    id: webhookEventId,
    object: z.literal('event'),
    type: z.union([eventType, z.literal('webhook.test')]),
    created_at: unixSeconds,
    data: z.object({
      id: z.union([jobId, webhookEndpointId]),
      status: jobStatus.optional().meta({ description: 'Of `training.job.…`.' }),
      model_id: modelId.nullable().optional().meta({ description: 'Of `training.job.…`.' }),
    }),
  })
  .meta({ id: 'WebhookEvent' });
export type WebhookEvent = z.output<typeof webhookEvent>;

export const webhookDeliveryStatuses = ['pending', 'delivered', 'failed'] as const;

export const webhookDeliveryResource = z
  .object({
    id: webhookDeliveryId,
    object: z.literal('webhook_endpoint.delivery'),
    endpoint_id: webhookEndpointId,
    event: webhookEvent,
    status: z.enum(webhookDeliveryStatuses),
    attempts: z.int().meta({ description: 'Since it was written, or redelivered.' }),
    response_status: z
      .int()
      .nullable()
      .meta({ description: "Of the last attempt's answer, if there was one." }),
    error: z.string().nullable().meta({ description: 'Why the last attempt was no success.' }),
    next_attempt_at: unixSeconds.nullable(),
    last_attempt_at: unixSeconds.nullable(),
    delivered_at: unixSeconds.nullable(),
    created_at: unixSeconds,
  })
  .meta({ id: 'WebhookDelivery' });
export type WebhookDeliveryResource = z.output<typeof webhookDeliveryResource>;
export const webhookDeliveryList = listOf(webhookDeliveryResource, 'WebhookDeliveryList');
