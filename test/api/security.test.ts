import { once } from 'node:events';
import { connect } from 'node:net';
import { Writable } from 'node:stream';
import { buildApi, createLog } from '@unfold/api';
import { afterEach, describe, expect, it } from 'vitest';
import { waitFor } from '../support/process.ts';
import { openSocket, refusal } from './socket-client.ts';
import { type Api, type ApiChange, expectError, startApi, submit } from './support.ts';

const adminKey = 'an-admin-key-of-the-configuration';
const open: Api[] = [];

const start = async (change: ApiChange = {}): Promise<Api> => {
  const api = await startApi(change);
  open.push(api);
  return api;
};
afterEach(async () => {
  for (const api of open.splice(0)) await api.stop();
});

const bearer = (key: string) => ({ authorization: `Bearer ${key}` });

describe('API keys', () => {
  it('are not needed on loopback while none exists, and Authorization is ignored', async () => {
    const api = await start();
    expect((await api.request.get('/v1/jobs').set(bearer('whatever'))).status).toBe(200);
  });

  it('are needed for everything but /health, /ready and /docs once the first exists', async () => {
    const api = await start();
    const created = await api.request.post('/v1/keys').send({ name: 'first', scopes: ['admin'] });
    expect(created.status).toBe(201);
    const { key } = created.body;
    for (const path of [
      '/v1/jobs',
      '/v1/files',
      '/v1/models',
      '/v1/keys',
      '/metrics',
      '/openapi.json',
      '/v1/nothing',
    ]) {
      const refused = await api.request.get(path);
      expectError(refused, 401, 'invalid_api_key');
      expect(refused.headers['www-authenticate']).toContain('Bearer');
    }
    for (const path of ['/health', '/ready', '/docs', '/docs/json', '/docs/static/swagger-ui.css'])
      expect((await api.request.get(path)).status, path).toBe(200);
    expectError(await api.request.get('/v1/jobs').set(bearer('wrong')), 401, 'invalid_api_key');
    expectError(
      await api.request.get('/v1/jobs').set({ authorization: `Basic ${key}` }),
      401,
      'invalid_api_key',
    );
    expect((await api.request.get('/v1/jobs').set(bearer(key))).status).toBe(200);
    const list = await api.request.get('/v1/keys').set(bearer(key));
    expect(list.body.data).toHaveLength(1);
    expect(JSON.stringify(list.body)).not.toContain(key);
    expect(JSON.stringify(await api.database.query('SELECT * FROM api_keys'))).not.toContain(key);
  });

  it('begin with one that may manage keys', async () => {
    const api = await start();
    for (const first of [{ name: 'first' }, { name: 'first', scopes: ['read', 'train'] }]) {
      const refused = await api.request.post('/v1/keys').send(first);
      expect(expectError(refused, 409, 'wrong_state', 'scopes').message).toContain('"scopes": ["admin"]');
    }
    expect((await api.request.get('/v1/keys')).body.data).toEqual([]);
    const document = (await api.request.get('/openapi.json')).body;
    const { example } = document.paths['/v1/keys'].post.requestBody.content['application/json'];
    const first = await api.request.post('/v1/keys').send(example);
    expect(first.status).toBe(201);
    const second = await api.request.post('/v1/keys').set(bearer(first.body.key)).send({ name: 'second' });
    expect(second.status).toBe(201);
  });

  it('act within their scopes and their project, and not at all once revoked', async () => {
    const api = await start({ config: { adminKey } });
    const make = async (scopes: string[], project = 'default') =>
      (
        await api.request
          .post('/v1/keys')
          .set(bearer(adminKey))
          .send({ name: scopes.join(), scopes, project })
      ).body;
    const [read, train, infer, other] = await Promise.all([
      make(['read']),
      make(['read', 'train']),
      make(['infer']),
      make(['read', 'train'], 'other'),
    ]);
    const ask = (key: { key: string }) => ({
      get: (path: string) => api.request.get(path).set(bearer(key.key)),
      post: (path: string, body: object = {}) => api.request.post(path).set(bearer(key.key)).send(body),
    });
    const upload = (key: { key: string }) =>
      api.request
        .post('/v1/files')
        .set(bearer(key.key))
        .field('purpose', 'training')
        .attach('file', Buffer.from('x'.repeat(2000)), 'x.txt');
    expectError(await upload(read), 403, 'insufficient_scope');
    const file = (await upload(train)).body.id;
    expectError(await ask(infer).get('/v1/jobs'), 403, 'insufficient_scope');
    expectError(await ask(read).post('/v1/completions', { model: 'x' }), 403, 'insufficient_scope');
    expectError(await ask(train).get('/v1/keys'), 403, 'insufficient_scope');
    expectError(await ask(infer).post('/v1/completions', { model: 'x' }), 404, 'not_found');
    expectError(await ask(other).get(`/v1/files/${file}`), 404, 'not_found');
    expectError(await ask(other).post('/v1/jobs', { file }), 404, 'not_found', 'file');
    const job = (await ask(train).post('/v1/jobs', { file, training: { sequence_length: 16 } })).body.id;
    for (const path of ['', '/events', '/metrics', '/checkpoints'])
      expectError(await ask(other).get(`/v1/jobs/${job}${path}`), 404, 'not_found');
    for (const action of ['cancel', 'pause', 'resume'])
      expectError(await ask(other).post(`/v1/jobs/${job}/${action}`), 404, 'not_found');
    expect((await ask(other).get('/v1/jobs')).body.data).toEqual([]);
    await api.request.delete(`/v1/keys/${read.id}`).set(bearer(adminKey));
    expectError(await ask(read).get('/v1/jobs'), 401, 'invalid_api_key');
  });

  it('open sockets as a header or as a subprotocol that is never sent back', async () => {
    const api = await start({ config: { adminKey } });
    expectError(await refusal(api.url, '/v1/stream'), 401, 'invalid_api_key');
    expectError(
      await refusal(api.url, '/v1/stream', { protocols: ['unfold.v1', 'unfold.key.wrong'] }),
      401,
      'invalid_api_key',
    );
    const infer = await api.request
      .post('/v1/keys')
      .set(bearer(adminKey))
      .send({ name: 'i', scopes: ['infer'] });
    expectError(
      await refusal(api.url, '/v1/stream', { headers: bearer(infer.body.key) }),
      403,
      'insufficient_scope',
    );
    const byHeader = await openSocket(api.url, '/v1/stream', { headers: bearer(adminKey) });
    const byProtocol = await openSocket(api.url, '/v1/stream', {
      protocols: ['unfold.v1', `unfold.key.${adminKey}`],
    });
    expect(byProtocol.socket.protocol).toBe('unfold.v1');
    await Promise.all([byHeader.close(), byProtocol.close()]);
  });

  it('never reach the log', async () => {
    const api = await start();
    const lines: string[] = [];
    const sink = new Writable({
      write(chunk, _encoding, done) {
        lines.push(String(chunk));
        done();
      },
    });
    const { config, store, queue } = api;
    const app = await buildApi({
      config: { ...config, adminKey },
      store,
      queue,
      log: createLog({ ...config, adminKey, logLevel: 'trace' }, sink),
    });
    const url = await app.listen({ host: '127.0.0.1', port: 0 });
    await fetch(`${url}/v1/jobs`, { headers: bearer(adminKey) });
    await fetch(`${url}/v1/jobs/Bearer%20${adminKey.replace('-', '%2D')}`);
    await fetch(`${url}/v1/jobs/%zz`, { headers: bearer(adminKey) });
    const client = await openSocket(url, '/v1/stream', {
      protocols: ['unfold.v1', `unfold.key.${adminKey}`],
    });
    await client.close();
    await refusal(url, '/v1/stream', { protocols: ['unfold.v1', 'unfold.key.some-wrong-secret'] });
    await app.close();
    expect(lines.join('')).toContain('"route":"/v1/jobs"');
    expect(lines.join('')).not.toContain(adminKey);
    expect(lines.join('')).not.toContain(adminKey.slice(adminKey.indexOf('-') + 1));
    expect(lines.join('')).not.toContain('some-wrong-secret');
  });
});

describe('a client that goes away', () => {
  it('is one line of the log for each of its requests, saying whose, and no failure', async () => {
    const api = await start();
    const lines: Record<string, unknown>[] = [];
    const sink = new Writable({
      write(chunk, _encoding, done) {
        lines.push(JSON.parse(String(chunk)));
        done();
      },
    });
    const { config, store, queue } = api;
    const { id: job } = await submit(api);
    const { id, key } = (await api.request.post('/v1/keys').send({ name: 'impatient', scopes: ['admin'] }))
      .body;
    const app = await buildApi({ config, store, queue, log: createLog({ logLevel: 'info' }, sink) });
    let admitted = 0;
    app.addHook('preParsing', async (_request, _reply, payload) => {
      admitted += 1;
      return payload;
    });
    const url = new URL(await app.listen({ host: '127.0.0.1', port: 0 }));
    const socket = connect(Number(url.port), url.hostname);
    const head = `HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${key}\r\n`;
    // What was answered on the same connection has its line already.
    const answered = once(socket, 'data');
    socket.write(`GET /v1/jobs ${head}\r\n`);
    await answered;
    socket.write(`GET /v1/jobs/${job}?wait=60 ${head}\r\n`);
    socket.write(
      `POST /v1/jobs ${head}Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"file":`,
    );
    await waitFor('the requests to be read', async () => admitted === 3);
    socket.destroy();
    const gone = () => lines.filter(({ msg }) => String(msg).includes('went away'));
    await waitFor('the end of the requests', async () => gone().length === 2);
    const { payload } = await app.inject({ url: '/metrics', headers: bearer(key) });
    expect(payload).toMatch(/^unfold_http_errors_total\{status="499",code="none"\} 2$/m);
    await app.close();
    const common = { status: 499, key_id: id, project: expect.any(String), ms: expect.any(Number) };
    expect(gone()).toMatchObject([
      { ...common, method: 'GET', route: '/v1/jobs/:id', path: `/v1/jobs/${job}` },
      { ...common, method: 'POST', route: '/v1/jobs', path: '/v1/jobs' },
    ]);
    expect(lines.filter(({ path }) => String(path).startsWith('/v1/'))).toHaveLength(3);
    expect(lines.filter(({ level, err }) => Number(level) > 30 || err !== undefined)).toEqual([]);
    // As the worker's, so that the lines of both sort together.
    for (const { time } of lines) expect(new Date(String(time)).toISOString()).toBe(time);
  });
});

describe('a server that other machines can reach', () => {
  it('does not start without a key, and says what to do', async () => {
    const api = await start();
    const { config, store, queue } = api;
    for (const host of ['0.0.0.0', '::', '10.0.0.5'])
      await expect(buildApi({ config: { ...config, host }, store, queue })).rejects.toThrow(
        /UNFOLD_ADMIN_KEY/,
      );
    const app = await buildApi({ config: { ...config, host: '0.0.0.0', adminKey }, store, queue });
    await app.close();
  });

  it('stays closed after its last key was revoked', async () => {
    const api = await start();
    const created = await api.request.post('/v1/keys').send({ name: 'only', scopes: ['admin'] });
    const other = await api.another({ host: '0.0.0.0' });
    await api.store.keys.revoke(created.body.id);
    expect((await fetch(`${other.url}/v1/jobs`)).status).toBe(401);
  });
});

describe('web pages', () => {
  it('reach this server by its own names only', async () => {
    const api = await start({ config: { allowedHosts: ['unfold.example', 'other.example:81'] } });
    const get = (host: string) => api.request.get('/health').set('host', host);
    for (const host of [
      'localhost:9',
      '127.0.0.1',
      '[::1]:80',
      'unfold.example',
      'UNFOLD.example:8080',
      'other.example:81',
    ])
      expect((await get(host)).status, host).toBe(200);
    for (const host of [
      'evil.example',
      'localhost.evil.example',
      '127.0.0.1.evil.example',
      'other.example',
      '10.0.0.1',
    ])
      expectError(await get(host), 403, 'forbidden_host');
  });

  it('of another origin may read nothing without CORS and change nothing', async () => {
    const api = await start();
    const origin = 'https://evil.example';
    const job = await submit(api);
    for (const [method, path] of [
      ['post', '/v1/jobs'],
      ['post', `/v1/jobs/${job.id}/cancel`],
      ['delete', `/v1/jobs/${job.id}`],
      ['options', '/v1/jobs'],
    ] as const)
      expectError(await api.request[method](path).set('origin', origin), 403, 'forbidden_origin');
    expectError(await api.request.post('/v1/jobs').set('origin', 'null'), 403, 'forbidden_origin');
    const read = await api.request.get('/v1/jobs').set('origin', origin);
    expect(read.status).toBe(200);
    expect(read.headers['access-control-allow-origin']).toBeUndefined();
    const own = await api.request.post(`/v1/jobs/${job.id}/cancel`).set('origin', api.url);
    expect(own.status).toBe(200);
  });

  it('of a configured origin may do everything, streams included', async () => {
    const origin = 'https://page.example';
    const api = await start({ config: { allowedOrigins: [origin] } });
    const preflight = await api.request.options('/v1/jobs').set({
      origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization',
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers['access-control-allow-origin']).toBe(origin);
    const job = await submit(api);
    const cancelled = await api.request.post(`/v1/jobs/${job.id}/cancel`).set('origin', origin);
    expect(cancelled.headers['access-control-allow-origin']).toBe(origin);
    const events = await fetch(`${api.url}/v1/jobs/${job.id}/events`, {
      headers: { origin, accept: 'text/event-stream' },
    });
    expect(events.headers.get('access-control-allow-origin')).toBe(origin);
    await events.text();
    const socket = await openSocket(api.url, '/v1/stream', { origin });
    await socket.close();
    expectError(
      await api.request.options('/v1/jobs').set('origin', 'https://evil.example'),
      403,
      'forbidden_origin',
    );
  });

  it('get headers that keep them apart', async () => {
    const { headers } = await (await start()).request.get('/health');
    expect(headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'content-security-policy': "default-src 'none';frame-ancestors 'none'",
      'referrer-policy': 'no-referrer',
    });
  });
});

describe('rates', () => {
  it('are limited per key or address, with 429 and the time to wait', async () => {
    const api = await start({ limits: { requestsPerMinute: 5 } });
    for (let count = 0; count < 5; count += 1) expect((await api.request.get('/v1/jobs')).status).toBe(200);
    const refused = await api.request.get('/v1/jobs');
    expectError(refused, 429, 'rate_limited');
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    expect((await api.request.get('/health')).status).toBe(200);
  });

  it('stop whoever guesses keys, and not the owner of a key at the same address', async () => {
    const api = await start({ config: { adminKey }, limits: { requestsPerMinute: 5 } });
    for (let count = 0; count < 5; count += 1)
      expectError(await api.request.get('/v1/jobs').set(bearer(`guess-${count}`)), 401, 'invalid_api_key');
    expectError(await api.request.get('/v1/jobs').set(bearer('guess-6')), 429, 'rate_limited');
    expect((await api.request.get('/v1/jobs').set(bearer(adminKey))).status).toBe(200);
  });
});
