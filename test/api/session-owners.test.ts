import type { KeyScope } from '@unfold/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { waitFor } from '../support/process.ts';
import { type Api, expectError, startApi } from './support.ts';
import { publish, trainModel } from './trained-model.ts';

const adminKey = 'an-admin-key-for-session-tests';
let api: Api;

beforeAll(async () => {
  api = await startApi({
    config: { adminKey },
    limits: { sessionsPerKey: 3 },
    timings: { reconcileMs: 200, leaseMs: 600 },
  });
  await publish(api, await trainModel(), 'cats');
});
afterAll(async () => api.stop());

interface Caller {
  id: string;
  secret: string;
  post(path: string, body?: object, idempotencyKey?: string): Promise<Awaited<ReturnType<typeof send>>>;
  get(path: string): Promise<Awaited<ReturnType<typeof send>>>;
  remove(path: string): Promise<Awaited<ReturnType<typeof send>>>;
}
const send = (
  method: 'get' | 'post' | 'delete',
  path: string,
  secret: string,
  body?: object,
  once?: string,
) => {
  const request = api.request[method](path).set('authorization', `Bearer ${secret}`);
  if (once !== undefined) request.set('idempotency-key', once);
  return body === undefined ? request : request.send(body);
};
const callerWith = (id: string, secret: string): Caller => ({
  id,
  secret,
  post: async (path, body = {}, once) => send('post', path, secret, body, once),
  get: async (path) => send('get', path, secret),
  remove: async (path) => send('delete', path, secret),
});
const admin = callerWith('admin', adminKey);
const newCaller = async (project = 'default', scopes: KeyScope[] = ['infer']): Promise<Caller> => {
  const { body } = await admin.post('/v1/keys', { name: 'caller', project, scopes });
  return callerWith(body.id, body.key);
};
const open = async (caller: Caller, body: object = {}): Promise<string> => {
  const answer = await caller.post('/v1/sessions', { model: 'cats', ...body });
  expect(answer.body).toMatchObject({ object: 'session' });
  return answer.body.id;
};

describe('sessions', () => {
  it('are their key’s alone: to every other key, an admin’s too, they do not exist', async () => {
    const owner = await newCaller();
    const id = await open(owner);
    const base = `/v1/sessions/${id}`;
    const snapshot = (await owner.post(`${base}/snapshots`)).body.id;
    const strangers = [
      await newCaller(),
      await newCaller('default', ['read', 'train', 'infer', 'admin']),
      await newCaller('elsewhere'),
      admin,
    ];
    for (const stranger of strangers) {
      for (const path of [base, `${base}/snapshots`, `${base}/state`])
        expectError(await stranger.get(path), 404, 'not_found', 'id');
      for (const [path, body] of [
        [`${base}/fork`, {}],
        [`${base}/fork`, { snapshot }],
        [`${base}/snapshots`, {}],
        [`${base}/restore`, { snapshot }],
      ] as const)
        expectError(await stranger.post(path, body), 404, 'not_found', 'id');
      expectError(await stranger.remove(`${base}/snapshots/${snapshot}`), 404, 'not_found', 'id');
      expectError(await stranger.remove(base), 404, 'not_found', 'id');
      expect((await stranger.get('/v1/sessions')).body.data).toEqual([]);
      if (stranger !== strangers[2])
        expectError(
          await stranger.post('/v1/completions', { model: 'cats', session: id }),
          404,
          'not_found',
          'session',
        );
    }
    expect((await owner.get('/v1/sessions')).body.data).toMatchObject([{ id }]);
    expect((await owner.post('/v1/completions', { model: 'cats', session: id, max_tokens: 2 })).status).toBe(
      200,
    );
  });

  it('are not answered to another key that uses the same Idempotency-Key', async () => {
    const [one, two] = [await newCaller(), await newCaller()];
    const first = await one.post('/v1/sessions', { model: 'cats' }, 'the-same');
    const second = await two.post('/v1/sessions', { model: 'cats' }, 'the-same');
    expect(second.status).toBe(201);
    expect(second.body.id).not.toBe(first.body.id);
  });

  it('are told of what their own key has read before, and of nothing that another has', async () => {
    const prompt = 'the cat sat on a mat that no other text has. '.repeat(30);
    const cachedFor = async (caller: Caller): Promise<number> => {
      const session = await open(caller);
      const { body } = await caller.post('/v1/completions', {
        model: 'cats',
        session,
        prompt,
        max_tokens: 1,
      });
      return body.usage.prompt_tokens_details.cached_tokens;
    };
    const [one, two] = [await newCaller(), await newCaller()];
    expect(await cachedFor(one)).toBe(0);
    expect(await cachedFor(one)).toBeGreaterThan(0);
    expect(await cachedFor(two)).toBe(0);
  });

  it('need the scope infer', async () => {
    const reader = await newCaller('default', ['read', 'train']);
    expectError(await reader.get('/v1/sessions'), 403, 'insufficient_scope');
    expectError(await reader.post('/v1/sessions', { model: 'cats' }), 403, 'insufficient_scope');
  });

  it('are limited for each key', async () => {
    const [one, two] = [await newCaller(), await newCaller()];
    const ids = [await open(one), await open(one), await open(one)];
    const refused = await one.post('/v1/sessions', { model: 'cats' });
    expectError(refused, 429, 'session_limit');
    // Waiting makes no room: OpenAI's clients must not sleep over it.
    expect(refused.headers).toMatchObject({ 'x-should-retry': 'false' });
    expect(refused.headers['retry-after']).toBeUndefined();
    expectError(await one.post(`/v1/sessions/${ids[0]}/fork`), 429, 'session_limit');
    await open(two);
    await one.remove(`/v1/sessions/${ids[1]}`);
    await open(one);
  });

  it('go when their key is revoked', async () => {
    const caller = await newCaller();
    const id = await open(caller);
    await admin.remove(`/v1/keys/${caller.id}`);
    expect(await api.database.query('SELECT id FROM sessions WHERE id = $1', [id])).toEqual([]);
  });

  it('expire so long after their last use, are counted while they live, and are swept', async () => {
    const caller = await newCaller();
    const short = await open(caller, { ttl_seconds: 1 });
    const long = await open(caller);
    const rows = () => api.database.query<{ id: string }>('SELECT id FROM sessions WHERE id = $1', [short]);
    await waitFor(
      'the session to expire',
      async () => (await caller.get(`/v1/sessions/${short}`)).status === 404,
    );
    expectError(
      await caller.post('/v1/completions', { model: 'cats', session: short }),
      404,
      'not_found',
      'session',
    );
    await waitFor('the row to be swept', async () => (await rows()).length === 0);
    const [{ count }] = (await api.database.query(
      'SELECT count(*)::int AS count FROM sessions WHERE expires_at > now()',
    )) as [{ count: number }];
    const metrics = (await admin.get('/metrics')).text;
    expect(metrics).toContain(`unfold_sessions ${count}\n`);
    expect(metrics).toMatch(/^unfold_sessions_expired_total [1-9]/m);
    expect((await caller.get('/v1/sessions')).body.data).toMatchObject([{ id: long }]);
  });

  it('are renewed while they are used, for longer than a lease and than their own life', async () => {
    const caller = await newCaller();
    const id = await open(caller, { ttl_seconds: 1 });
    const held = await api.store.sessions.get({ project: 'default', key: caller.id }, id);
    const abort = new AbortController();
    // A client that reads nothing keeps its call, and so the lease, alive.
    const answer = await fetch(`${api.url}/v1/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${caller.secret}` },
      body: JSON.stringify({ model: 'cats', session: id, max_tokens: 100_000, stream: true }),
      signal: abort.signal,
    });
    expect(answer.status).toBe(200);
    const lease = async () =>
      (
        await api.database.query<{ at: Date }>('SELECT lease_expires_at AS at FROM sessions WHERE id = $1', [
          id,
        ])
      )[0]?.at;
    const first = await waitFor('the lease', lease);
    await waitFor('the lease to be renewed beyond its first end', async () => {
      const now = await lease();
      return now !== undefined && now !== null && now.getTime() > first.getTime() + 1200;
    });
    expectError(
      await caller.post('/v1/completions', { model: 'cats', session: id }),
      409,
      'session_busy',
      'session',
    );
    abort.abort();
    await waitFor('the lease to end', async () => (await lease()) === null);
    expect(Date.parse(held.expires_at)).toBeLessThan(Date.now());
  });
});
