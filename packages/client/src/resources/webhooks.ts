import type {
  DeletedResource,
  WebhookDeliveryResource,
  WebhookEndpointChangeInput,
  WebhookEndpointRequestInput,
  WebhookEndpointResource,
} from '@unfold/contracts';
import { type CallOptions, type CreateOptions, type Http, newIdempotencyKey } from '../http.ts';
import { type List, listAt, part } from '../pages.ts';

/** Addresses that are told what becomes of jobs. */
export interface Webhooks extends List<WebhookEndpointResource> {
  /** The answer holds the secret that deliveries are signed with, once. */
  create(request: WebhookEndpointRequestInput, options?: CreateOptions): Promise<WebhookEndpointResource>;
  get(id: string, options?: CallOptions): Promise<WebhookEndpointResource>;
  change(
    id: string,
    change: WebhookEndpointChangeInput,
    options?: CallOptions,
  ): Promise<WebhookEndpointResource>;
  rotateSecret(id: string, options?: CallOptions): Promise<WebhookEndpointResource>;
  delete(id: string, options?: CallOptions): Promise<DeletedResource>;
  deliveries(id: string): List<WebhookDeliveryResource>;
  redeliver(id: string, delivery: string, options?: CallOptions): Promise<WebhookDeliveryResource>;
  /** Sends an event `webhook.test`. */
  test(id: string, options?: CallOptions): Promise<WebhookDeliveryResource>;
}

export const createWebhooks = (http: Http): Webhooks => {
  const path = '/v1/webhook_endpoints';
  const at = (id: string): string => `${path}/${part(id)}`;
  const post = <T>(where: string, options?: CallOptions, json?: unknown): Promise<T> =>
    http.call(where, { ...options, method: 'POST', json });
  return {
    ...listAt<WebhookEndpointResource>(http, path),
    create: (request, options) =>
      post(path, { idempotencyKey: newIdempotencyKey(), ...options } as CreateOptions, request),
    get: (id, options) => http.call(at(id), options),
    change: (id, change, options) => post(at(id), options, change),
    rotateSecret: (id, options) => post(`${at(id)}/rotate_secret`, options),
    delete: (id, options) => http.call(at(id), { ...options, method: 'DELETE' }),
    deliveries: (id) => listAt<WebhookDeliveryResource>(http, `${at(id)}/deliveries`),
    redeliver: (id, delivery, options) => post(`${at(id)}/deliveries/${part(delivery)}/redeliver`, options),
    test: (id, options) => post(`${at(id)}/test`, options),
  };
};
