import { webhookDeliveryResource } from '@unfold/contracts';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { waitFor } from '../support/process.ts';
import { openReceiver, unwrap } from '../support/receiver.ts';
import { type Api, claim, expectError, submit } from './support.ts';
import {
  arrived,
  deliveries,
  diverged,
  endpoint,
  fail,
  path,
  receiver,
  receiveWebhooks,
  settled,
  start,
} from './webhook-calls.ts';

receiveWebhooks();

describe('webhooks', () => {
  let api: Api;
  beforeAll(async () => {
    api = await start();
  });
  afterEach(() => api.database.query('DELETE FROM webhook_endpoints'));
  afterAll(() => api.stop());

  it('tell of a job’s end in OpenAI’s shape, signed for OpenAI’s client', async () => {
    const { id, secret } = await endpoint(api, {
      events: [
        'fine_tuning.job.failed',
        'fine_tuning.job.cancelled',
        'training.job.running',
        'training.job.failed',
      ],
    });
    const failed = await fail(api);
    const { id: cancelled } = await submit(api);
    await api.request.post(`/v1/jobs/${cancelled}/cancel`);
    await settled(api, id, 4);
    const told = receiver.received.map(({ event }) => [event.type, event.data]);
    expect(told).toHaveLength(4);
    expect(told).toEqual(
      expect.arrayContaining([
        ['fine_tuning.job.failed', { id: failed }],
        ['fine_tuning.job.cancelled', { id: cancelled }],
        ['training.job.running', { id: failed, status: 'running', model_id: null }],
        ['training.job.failed', { id: failed, status: 'failed', model_id: null }],
      ]),
    );
    for (const request of receiver.received) {
      expect(await unwrap(request, secret)).toEqual(request.event);
      expect(request.headers).toMatchObject({
        'webhook-id': request.event.id,
        'content-type': 'application/json',
      });
      await expect(unwrap({ ...request, body: `${request.body} ` }, secret)).rejects.toThrow('signature');
    }
    const [row] = await deliveries(api, id);
    expect(webhookDeliveryResource.strict().parse(row)).toEqual(row);
    expect(row).toMatchObject({ status: 'delivered', attempts: 1, response_status: 200, error: null });
    expect(row).toMatchObject({ next_attempt_at: null, delivered_at: expect.any(Number) });
  });

  it('come again after an error, with the id that they had, until they are delivered', async () => {
    const { id, secret } = await endpoint(api);
    receiver.answerWith(500, 503);
    await fail(api);
    const [row] = await settled(api, id);
    expect(row).toMatchObject({ status: 'delivered', attempts: 3, response_status: 200, error: null });
    const requests = receiver.received;
    expect(new Set(requests.map(({ headers }) => headers['webhook-id']))).toEqual(new Set([row!.event.id]));
    for (const request of requests) await unwrap(request, secret);
  });

  it('wait as long as the receiver asks for', async () => {
    const { id } = await endpoint(api);
    receiver.answerWith({ status: 503, headers: { 'retry-after': '1000' } });
    await fail(api);
    await arrived(1);
    const [row] = await waitFor('the attempt to be noted', async () => {
      const rows = await deliveries(api, id);
      return rows[0]?.response_status === 503 && rows;
    });
    expect(row).toMatchObject({ status: 'pending', attempts: 1 });
    expect(row!.next_attempt_at! - row!.last_attempt_at!).toBeGreaterThanOrEqual(999);
    expect(row!.next_attempt_at! - row!.last_attempt_at!).toBeLessThan(1100);
  });

  it('are given up after the last attempt, and delivered when asked again', async () => {
    const { id } = await endpoint(api);
    receiver.answerWith(500, 500, 404);
    await fail(api);
    const [row] = await settled(api, id);
    expect(row).toMatchObject({ status: 'failed', attempts: 3, response_status: 404, next_attempt_at: null });
    expect(row!.error).toContain('404');
    const again = await api.request.post(`${path}/${id}/deliveries/${row!.id}/redeliver`);
    expect(again.body).toMatchObject({ id: row!.id, status: 'pending', attempts: 0 });
    await arrived(4);
    await waitFor('the delivery', async () => (await deliveries(api, id))[0]!.status === 'delivered');
    expect(receiver.received[3]!.event).toEqual(row!.event);
  });

  it('follow no redirect', async () => {
    const { id } = await endpoint(api);
    const location = { location: `${receiver.url}/elsewhere` };
    receiver.answerWith(...[307, 302, 308].map((status) => ({ status, headers: location })));
    await fail(api);
    const [row] = await settled(api, id);
    expect(row).toMatchObject({ status: 'failed', response_status: 308 });
    expect(row!.error).toContain('redirects are not followed');
    expect(receiver.received.map((request) => request.path)).toEqual(['/hooks', '/hooks', '/hooks']);
  });

  it('reach no private address under a public name: the connection itself is refused', async () => {
    // "localhost" stands for a name whose owner lets it point to this machine once it was accepted.
    const { id } = await endpoint(api, { url: `https://localhost:${receiver.port}/hooks` });
    await fail(api);
    const [row] = await settled(api, id);
    expect(row).toMatchObject({ status: 'failed', attempts: 3, response_status: null });
    expect(row!.error).toContain('has no address on the public internet');
    expect(receiver.connections()).toBe(0);
  });

  it('end where the receiver says 410', async () => {
    const { id } = await endpoint(api);
    receiver.answerWith(410);
    await fail(api);
    const [row] = await settled(api, id);
    expect(row).toMatchObject({ status: 'failed', attempts: 1, response_status: 410 });
    expect((await api.request.get(`${path}/${id}`)).body.enabled).toBe(false);
    await fail(api);
    expect(await deliveries(api, id)).toHaveLength(1);
    expectError(await api.request.post(`${path}/${id}/test`), 409, 'wrong_state');
    expectError(await api.request.post(`${path}/${id}/deliveries/${row!.id}/redeliver`), 409, 'wrong_state');
    await api.request.post(`${path}/${id}`).send({ enabled: true });
    await fail(api);
    await settled(api, id, 2);
  });

  it('can be tested, and tell only those who asked, of their own project', async () => {
    const tested = await endpoint(api, { events: ['fine_tuning.job.succeeded'] });
    const away = await api.store.webhooks.create(
      'another',
      { url: receiver.url, events: ['fine_tuning.job.failed'], description: null, metadata: {} },
      10,
    );
    await fail(api);
    const answer = await api.request.post(`${path}/${tested.id}/test`);
    expect(answer.status).toBe(201);
    await settled(api, tested.id);
    expect(receiver.received.map(({ event }) => event)).toMatchObject([
      { type: 'webhook.test', data: { id: tested.id } },
    ]);
    await unwrap(receiver.received[0]!, tested.secret);
    for (const rest of ['', '/deliveries'])
      expectError(await api.request.get(`${path}/${away.resource.id}${rest}`), 404, 'not_found', 'id');
    expectError(await api.request.post(`${path}/${away.resource.id}/rotate_secret`), 404, 'not_found', 'id');
    expectError(await api.request.delete(`${path}/${away.resource.id}`), 404, 'not_found', 'id');
  });

  it('are signed with both secrets for a while after a rotation', async () => {
    const { id, secret } = await endpoint(api);
    const rotated = (await api.request.post(`${path}/${id}/rotate_secret`)).body;
    expect(rotated.secret).toMatch(/^whsec_/);
    await api.request.post(`${path}/${id}/test`);
    const [request] = await arrived(1);
    await unwrap(request!, secret);
    await unwrap(request!, rotated.secret);
    await api.database.query("UPDATE webhook_endpoints SET previous_secret_until = now() - interval '1 s'");
    await api.request.post(`${path}/${id}/test`);
    await arrived(2);
    await unwrap(receiver.received[1]!, rotated.secret);
    await expect(unwrap(receiver.received[1]!, secret)).rejects.toThrow('signature');
  });

  it('are written with the job’s status or not at all', async () => {
    const { id } = await endpoint(api);
    const job = await submit(api);
    const first = await claim(api, job.id);
    await api.store.jobs.claim(job.id, { worker: 'b', engines: ['reference'], takeover_ms: 0 });
    expect(await api.store.jobs.finish(first, { type: 'failed', error: diverged })).toBeNull();
    expect(await deliveries(api, id)).toEqual([]);
  });

  it('come once each from any number of processes', async () => {
    const { id } = await endpoint(api);
    await api.another();
    await api.another();
    const tests = await Promise.all(Array.from({ length: 30 }, () => api.request.post(`${path}/${id}/test`)));
    await settled(api, id, 30);
    expect(receiver.received.map(({ event }) => event.id).sort()).toEqual(
      tests.map(({ body }) => body.event.id).sort(),
    );
  });

  it('do not wait for a receiver that is slow', async () => {
    const quick = await openReceiver();
    const slow = await endpoint(api);
    receiver.answerWith(...Array(40).fill(null));
    for (let k = 0; k < 40; k += 1) await api.request.post(`${path}/${slow.id}/test`);
    const other = await endpoint(api, { url: quick.url });
    await api.request.post(`${path}/${other.id}/test`);
    await settled(api, other.id);
    expect(quick.received).toHaveLength(1);
    // A quarter of the eight places in each of the three processes that may be at it by now.
    expect(receiver.received.length).toBeLessThanOrEqual(6);
    expect((await api.request.get('/metrics')).text).toMatch(/^unfold_webhooks_pending (39|40)$/m);
    expect((await deliveries(api, slow.id)).filter(({ status }) => status !== 'pending')).toEqual([]);
    await api.request.delete(`${path}/${slow.id}`);
    await quick.close();
  });

  it('are counted for operators', async () => {
    const { text } = await api.request.get('/metrics');
    expect(text).toMatch(/^unfold_webhook_attempts_total\{outcome="delivered"\} [1-9]/m);
    expect(text).toMatch(/^unfold_webhook_attempts_total\{outcome="gone"\} 1$/m);
  });
});

describe('what was not delivered when a server stopped', () => {
  it('is delivered by the next one, attempts that were under way too', async () => {
    const api = await start();
    const { id, secret } = await endpoint(api);
    receiver.answerWith(null);
    const first = await fail(api);
    await arrived(1);
    // The receiver has the request and does not answer: the server waits for its patience, then breaks off.
    const { id: second } = await submit(api);
    await api.app.close();
    await api.store.jobs.finish(await claim(api, second), { type: 'failed', error: diverged });
    expect(receiver.received).toHaveLength(1);
    await api.another();
    await arrived(3);
    const told = receiver.received.slice(1).map(({ event }) => event.data.id);
    expect(told.sort()).toEqual([first, second].sort());
    for (const request of receiver.received) await unwrap(request, secret);
    await waitFor('both to be delivered', async () => {
      const { data } = await api.store.webhooks.deliveries('default', id, { limit: 10 });
      return data.length === 2 && data.every(({ status }) => status === 'delivered');
    });
    await api.stop();
  });
});
