import { webhookEndpointResource } from '@unfold/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openReceiver, unwrap } from '../support/receiver.ts';
import { type Api, expectError } from './support.ts';
import {
  arrived,
  deliveries,
  endpoint,
  path,
  receiver,
  receiveWebhooks,
  settled,
  start,
} from './webhook-calls.ts';

receiveWebhooks();

describe('an attempt', () => {
  let api: Api;
  beforeAll(async () => {
    api = await start({ attempts: 1 }, {}, { webhookTimeoutMs: 200 });
  });
  afterAll(() => api.stop());

  it('is over when no answer came in time', async () => {
    const { id } = await endpoint(api);
    receiver.answerWith(null);
    await api.request.post(`${path}/${id}/test`);
    const [row] = await settled(api, id);
    expect(row).toMatchObject({ status: 'failed', response_status: null });
    expect(row!.error).toBe('There was no answer within 0.2 s.');
  });

  it('reads no more of an answer than a little, however long it is', async () => {
    let sent = 0;
    const cut = new Promise<void>((resolve) => {
      receiver.answerWith((response) => {
        response.writeHead(200);
        const send = (): void => {
          if (response.destroyed) return;
          sent += 65_536;
          response.write(Buffer.alloc(65_536), () => setImmediate(send));
        };
        response.on('close', resolve);
        send();
      });
    });
    const { id } = await endpoint(api);
    await api.request.post(`${path}/${id}/test`);
    const [row] = await settled(api, id);
    await cut;
    expect(row).toMatchObject({ status: 'delivered', response_status: 200 });
    expect(sent).toBeLessThan(100_000_000);
  });

  it('counts as delivered once there is a status, even if the answer never ends', async () => {
    receiver.answerWith((response) => {
      response.writeHead(202).write('and');
    });
    const { id } = await endpoint(api);
    await api.request.post(`${path}/${id}/test`);
    expect((await settled(api, id))[0]).toMatchObject({ status: 'delivered', response_status: 202 });
  });

  it('fails where nobody listens', async () => {
    const gone = await openReceiver();
    await gone.close();
    const { id } = await endpoint(api, { url: gone.url });
    await api.request.post(`${path}/${id}/test`);
    const [row] = await settled(api, id);
    expect(row!.error).toContain('ECONNREFUSED');
  });
});

describe('endpoints', () => {
  let api: Api;
  beforeAll(async () => {
    api = await start({}, { encryptionKey: 'a key that seals what the database holds' });
  });
  afterAll(() => api.stop());

  it('show their secret once, and keep it sealed', async () => {
    const send = () =>
      api.request
        .post(path)
        .set('idempotency-key', 'once')
        .send({ url: receiver.url, events: ['fine_tuning.job.failed'], metadata: { a: 'b' } });
    const { body, headers } = await send();
    expect(webhookEndpointResource.strict().parse(body)).toEqual(body);
    expect(headers['cache-control']).toBe('no-store');
    const { secret, ...rest } = body;
    expect(Buffer.from(secret.slice('whsec_'.length), 'base64')).toHaveLength(32);
    expect((await send()).body).toEqual(rest);
    expect((await api.request.get(`${path}/${body.id}`)).body).toEqual(rest);
    expect((await api.request.get(path)).body.data).toEqual([rest]);
    const kept = JSON.stringify(
      await api.database.query('SELECT * FROM webhook_endpoints, idempotency_keys'),
    );
    expect(kept).not.toContain(secret.slice('whsec_'.length));
    await api.request.post(`${path}/${body.id}/test`);
    await unwrap((await arrived(1))[0]!, secret);
  });

  it('say so when their secret was sealed with another key', async () => {
    const { id } = await endpoint(api);
    await api.database.query(
      "UPDATE webhook_endpoints SET secret = 'sealed:' || repeat('A', 80) WHERE id = $1",
      [id],
    );
    await api.request.post(`${path}/${id}/test`);
    const [row] = await settled(api, id);
    expect(row).toMatchObject({ status: 'failed', response_status: null });
    expect(row!.error).toContain('UNFOLD_ENCRYPTION_KEY');
    const { secret } = (await api.request.post(`${path}/${id}/rotate_secret`)).body;
    await api.request.post(`${path}/${id}/test`);
    await unwrap((await arrived(1))[0]!, secret);
  });

  it('are listed page by page, changed and deleted', async () => {
    const ids = [];
    for (let k = 0; k < 3; k += 1) ids.unshift((await endpoint(api)).id);
    const first = (await api.request.get(`${path}?limit=2`)).body;
    expect(first).toMatchObject({ has_more: true, data: [{ id: ids[0] }, { id: ids[1] }] });
    const second = (await api.request.get(`${path}?limit=1&after=${ids[1]}`)).body;
    expect(second.data).toMatchObject([{ id: ids[2] }]);
    const rising = (await api.request.get(`${path}?order=asc&after=${ids[2]}`)).body;
    expect(rising.data).toMatchObject([{ id: ids[1] }, { id: ids[0] }]);
    for (let k = 0; k < 3; k += 1) await api.request.post(`${path}/${ids[0]}/test`);
    const rows = (await deliveries(api, ids[0]!)).map(({ id }) => id);
    const log = (await api.request.get(`${path}/${ids[0]}/deliveries?order=asc&limit=1&after=${rows[2]}`))
      .body;
    expect(log).toMatchObject({ has_more: true, data: [{ id: rows[1] }] });
    const change = {
      events: ['training.job.paused', 'training.job.paused'],
      description: 'new',
      metadata: {},
    };
    const changed = (await api.request.post(`${path}/${ids[0]}`).send(change)).body;
    expect(changed).toMatchObject({ events: ['training.job.paused'], description: 'new', url: receiver.url });
    expect((await api.request.post(`${path}/${ids[0]}`).send({})).body).toEqual(changed);
    for (const id of ids)
      expect((await api.request.delete(`${path}/${id}`)).body).toEqual({
        id,
        object: 'webhook_endpoint',
        deleted: true,
      });
    expectError(await api.request.get(`${path}/${ids[0]}`), 404, 'not_found', 'id');
  });

  it.each([
    [{ url: 'example.org' }, 400, 'invalid_value', 'url'],
    [{ url: 'http://example.org' }, 400, 'invalid_value', 'url'],
    [{ url: 'https://[::ffff:10.0.0.1]/' }, 400, 'invalid_value', 'url'],
    [{ url: undefined }, 400, 'missing_field', 'url'],
    [{ events: [] }, 400, 'invalid_value', 'events'],
    [{ events: ['job.done'] }, 400, 'invalid_value', 'events[0]'],
    [{ secret: 'mine' }, 400, 'unknown_field', 'secret'],
  ])('are refused with %j', async (change, status, code, param) => {
    const body = { url: 'https://example.org', events: ['fine_tuning.job.failed'], ...change };
    expectError(await api.request.post(path).send(body), status, code, param);
    const { id } = await endpoint(api);
    const given = Object.keys(change).filter((key) => change[key as never] !== undefined);
    if (given.length > 0)
      expectError(await api.request.post(`${path}/${id}`).send(change), status, code, param);
  });

  it('are unknown by ids that are none', async () => {
    const { id } = await endpoint(api);
    for (const wrong of ['we-1', `we-${'0'.repeat(32)}`, 'x'])
      expectError(await api.request.get(`${path}/${wrong}`), 404, 'not_found', 'id');
    for (const wrong of ['dlv-1', `dlv-${'0'.repeat(32)}`])
      expectError(
        await api.request.post(`${path}/${id}/deliveries/${wrong}/redeliver`),
        404,
        'not_found',
        'delivery',
      );
    expectError(await api.request.get(`${path}/${id}/deliveries?after=dlv-1`), 400, 'invalid_value', 'after');
  });
});
