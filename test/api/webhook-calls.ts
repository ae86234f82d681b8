import type { JobError, WebhookDeliveryResource, WebhookEndpointResource } from '@unfold/contracts';
import { afterEach, beforeEach, expect } from 'vitest';
import { waitFor } from '../support/process.ts';
import { openReceiver, type Receiver } from '../support/receiver.ts';
import { type Api, type ApiChange, claim, startApi, submit } from './support.ts';

export const path = '/v1/webhook_endpoints';
export const diverged: JobError = { code: 'diverged', message: 'The loss became infinite.', param: null };
const timings = { webhookPollMs: 20, webhookRetryMs: 10, patienceMs: 500 };

export const start = (
  change: Partial<Api['config']['webhooks']> = {},
  config: ApiChange['config'] = {},
  more: ApiChange['timings'] = {},
): Promise<Api> =>
  startApi({
    timings: { ...timings, ...more },
    config: {
      ...config,
      webhooks: { privateHosts: ['127.0.0.1'], attempts: 3, concurrency: 8, logDays: 30, ...change },
    },
  });

/** Where the endpoints of the running test are, in a file that calls `receiveWebhooks`. */
export let receiver: Receiver;

/** Opens a receiver for each test of the file that calls this. */
export const receiveWebhooks = (): void => {
  beforeEach(async () => {
    receiver = await openReceiver();
  });
  afterEach(() => receiver.close());
};

export const endpoint = async (
  api: Api,
  more: object = {},
): Promise<WebhookEndpointResource & { secret: string }> => {
  const answer = await api.request
    .post(path)
    .send({ url: receiver.url, events: ['fine_tuning.job.failed'], ...more });
  expect(answer.status, JSON.stringify(answer.body)).toBe(201);
  return answer.body;
};

export const deliveries = async (api: Api, id: string): Promise<WebhookDeliveryResource[]> =>
  (await api.request.get(`${path}/${id}/deliveries?limit=100`)).body.data;

export const settled = (api: Api, id: string, count = 1): Promise<WebhookDeliveryResource[]> =>
  waitFor(`${count} deliveries to be settled`, async () => {
    const rows = await deliveries(api, id);
    return rows.filter(({ status }) => status !== 'pending').length >= count && rows;
  });

export const arrived = (count: number) =>
  waitFor(`${count} requests to arrive`, () => receiver.received.length >= count && receiver.received);

/** A job of this project that fails. */
export const fail = async (api: Api): Promise<string> => {
  const { id } = await submit(api);
  await api.store.jobs.finish(await claim(api, id), { type: 'failed', error: diverged });
  return id;
};
