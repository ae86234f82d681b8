import {
  completionResource,
  type ErrorEnvelope,
  sessionList,
  sessionResource,
  snapshotList,
} from '@unfold/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { waitFor } from '../support/process.ts';
import { type Api, expectError, startApi } from './support.ts';
import { publish, type Trained, trainModel, trainWeights } from './trained-model.ts';

let api: Api;
let trained: Trained;
let model: string;
const nobody = 'sess-019aab2f6c4e7d3f8a1b2c3d4e5f6071';

beforeAll(async () => {
  trained = await trainModel();
  api = await startApi({ limits: { sessionsPerKey: 1000, snapshotsPerSession: 2, sessionSeconds: 200_000 } });
  model = (await publish(api, trained, 'cats')).id;
});
afterAll(async () => api.stop());

const open = async (body: object = {}): Promise<string> => {
  const answer = await api.request.post('/v1/sessions').send({ model: 'cats', ...body });
  expect(answer.body).toMatchObject({ object: 'session' });
  return answer.body.id;
};
const complete = (body: object, request: Api['request'] = api.request) =>
  request.post('/v1/completions').send({ model: 'cats', ...body });
const write = async (body: object): Promise<string> => {
  const answer = await complete(body);
  expect(answer.status, JSON.stringify(answer.body)).toBe(200);
  return completionResource.parse(answer.body).choices[0]!.text;
};
const get = async (id: string) => sessionResource.parse((await api.request.get(`/v1/sessions/${id}`)).body);
const fork = async (id: string, body: object = {}): Promise<string> => {
  const answer = await api.request.post(`/v1/sessions/${id}/fork`).send(body);
  expect(answer.status).toBe(201);
  return answer.body.id;
};
const stream = (body: object, signal: AbortSignal | null = null, url = api.url) =>
  fetch(`${url}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'cats', stream: true, ...body }),
    signal,
  });
const isFree = async (id: string): Promise<boolean> => {
  const [row] = await api.database.query('SELECT lease_token FROM sessions WHERE id = $1', [id]);
  return row!.lease_token === null;
};
const greedy = { temperature: 0 };
const sampled = { temperature: 0.9, seed: 7 };

describe('a session', () => {
  it('is created, shown, listed and deleted', async () => {
    const created = await api.request
      .post('/v1/sessions')
      .send({ model: 'cats', ttl_seconds: 60, metadata: { reader: 'one' } });
    expect(created.status).toBe(201);
    const session = sessionResource.parse(created.body);
    expect(created.headers.location).toBe(`/v1/sessions/${session.id}`);
    expect(session).toMatchObject({ model, tokens: 0, context: null, forked_from: null, ttl_seconds: 60 });
    expect(Date.parse(session.expires_at) - Date.parse(session.last_used_at)).toBe(60_000);
    expect(await get(session.id)).toEqual(session);
    const other = await open();
    const listed = sessionList.parse((await api.request.get('/v1/sessions?limit=1')).body);
    expect(listed).toMatchObject({ data: [{ id: other }], has_more: true });
    const next = await api.request.get(`/v1/sessions?limit=1&after=${other}&model=cats`);
    expect(next.body.data).toEqual([session]);
    expect((await api.request.get('/v1/sessions?model=dogs')).body.data).toEqual([]);
    const gone = await api.request.delete(`/v1/sessions/${session.id}`);
    expect(gone.body).toEqual({ id: session.id, object: 'session', deleted: true });
    expectError(await api.request.get(`/v1/sessions/${session.id}`), 404, 'not_found', 'id');
    expectError(await api.request.delete(`/v1/sessions/${session.id}`), 404, 'not_found', 'id');
  });

  it('is created and forked once per Idempotency-Key', async () => {
    const post = (path: string, body: object) =>
      api.request.post(path).set('idempotency-key', 'once').send(body);
    const first = await post('/v1/sessions', { model: 'cats' });
    const second = await post('/v1/sessions', { model: 'cats' });
    expect(second.body).toEqual(first.body);
    expect(second.headers['idempotent-replayed']).toBe('true');
    expectError(await post('/v1/sessions', { model: 'cats', ttl_seconds: 5 }), 422, 'idempotency_mismatch');
    for (const action of ['fork', 'snapshots']) {
      const path = `/v1/sessions/${first.body.id}/${action}`;
      const made = await post(path, {});
      expect(made.status).toBe(201);
      expect((await post(path, {})).body).toEqual(made.body);
    }
    const other = await open();
    expectError(await post(`/v1/sessions/${other}/fork`, {}), 422, 'idempotency_mismatch');
  });

  it('is refused with the field at fault', async () => {
    const create = (body: object) => api.request.post('/v1/sessions').send({ model: 'cats', ...body });
    expectError(await create({ model: 'dogs' }), 404, 'not_found', 'model');
    expectError(await create({ ttl_seconds: 200_001 }), 400, 'invalid_value', 'ttl_seconds');
    expectError(await create({ ttl_seconds: 0 }), 400, 'invalid_value', 'ttl_seconds');
    expectError(await create({ context: 'label' }), 400, 'invalid_value', 'context');
    expectError(await create({ state: '!' }), 400, 'invalid_value', 'state');
    expectError(await create({ metadata: { a: 1 } }), 400, 'invalid_value', 'metadata.a');
    expectError(await create({ tokens: 3 }), 400, 'unknown_field', 'tokens');
    expectError(await api.request.get('/v1/sessions?after=x'), 400, 'invalid_value', 'after');
    const id = await open();
    const ask = (path: string, body: object) => api.request.post(`/v1/sessions/${id}/${path}`).send(body);
    expectError(await ask('fork', { ttl_seconds: 200_001 }), 400, 'invalid_value', 'ttl_seconds');
    const snapshot = 'snap-019aab2f6c4e7d3f8a1b2c3d4e5f6071';
    expectError(await ask('fork', { snapshot }), 404, 'not_found', 'snapshot');
    expectError(await ask('restore', { snapshot }), 404, 'not_found', 'snapshot');
    expectError(await ask('restore', {}), 400, 'missing_field', 'snapshot');
    for (const id of [nobody, 'nonsense'])
      for (const path of ['fork', 'snapshots'])
        expectError(await api.request.post(`/v1/sessions/${id}/${path}`).send({}), 404, 'not_found', 'id');
    const labels = ['Rossi', 'Bauer'].map((input) => JSON.stringify({ input, label: input[0] })).join('\n');
    await publish(api, await trainWeights(labels, { task: 'classification' }), 'names');
    expectError(await create({ model: 'names' }), 400, 'invalid_value', 'model');
  });

  it('refuses completions that cannot go on with it', async () => {
    const id = await open();
    expectError(await complete({ session: nobody }), 404, 'not_found', 'session');
    expectError(await complete({ session: 'nonsense' }), 404, 'not_found', 'session');
    for (const [field, value] of [
      ['prompt', ['a', 'b']],
      ['n', 2],
      ['best_of', 2],
      ['beam_width', 2],
      ['context', 'label'],
    ] as const)
      expectError(await complete({ session: id, [field]: value }), 400, 'contradictory_options', field);
    expectError(await complete({ session: id, prompt: [100_000] }), 400, 'invalid_value');
    expect(await get(id)).toMatchObject({ tokens: 0 });
    expect(await isFree(id)).toBe(true);
  });

  it('has a context for its life', async () => {
    const lines = ['a', 'b'].flatMap((context) =>
      Array.from({ length: 20 }, () => JSON.stringify({ context, text: `${context}${context}!` })),
    );
    const weights = await trainWeights(lines.join('\n'), { task: 'conditional_generation' });
    await publish(api, weights, 'labels');
    const create = (body: object) => api.request.post('/v1/sessions').send({ model: 'labels', ...body });
    expectError(await create({}), 400, 'invalid_value', 'context');
    expectError(await create({ context: 'c' }), 400, 'invalid_value', 'context');
    const { body } = await create({ context: 'b' });
    expect(body.context).toBe('b');
    const within = await write({ model: 'labels', session: body.id, max_tokens: 3, ...greedy });
    expect(within).toBe(await write({ model: 'labels', context: 'b', max_tokens: 3, ...greedy }));
  });
});

describe('completions in a session', () => {
  it('go on as if nobody had stopped: two calls are one', async () => {
    for (const how of [greedy, sampled]) {
      const whole = await write({ prompt: 'the cat sat on', max_tokens: 60, ...how });
      const session = await open();
      await write({ session, prompt: 'the cat', max_tokens: 0, ...how });
      expect(await get(session)).toMatchObject({ tokens: 7 });
      const first = await write({ session, prompt: ' sat on', max_tokens: 20, ...how });
      const rest = await write({ session, prompt: '', max_tokens: 40, ...how });
      expect(first + rest).toBe(whole);
      expect(await get(session)).toMatchObject({ tokens: 74 });
    }
  });

  it('say which session and how many tokens, in events as well', async () => {
    const session = await open();
    const answer = await complete({ session, prompt: 'the', max_tokens: 5, ...sampled });
    expect(completionResource.parse(answer.body)).toMatchObject({
      session,
      model,
      usage: { prompt_tokens: 3, completion_tokens: 5 },
    });
    const other = await fork(session);
    const text = await (await stream({ session: other, max_tokens: 6, ...sampled })).text();
    const events = [...text.matchAll(/^data: (\{.*)$/gm)].map(([, data]) => JSON.parse(data!));
    expect(new Set(events.map((event) => event.session))).toEqual(new Set([other]));
    const streamed = events.map((event) => event.choices[0].text).join('');
    expect(streamed).toBe(await write({ session, max_tokens: 6, ...sampled }));
    expect((await get(other)).tokens).toBe((await get(session)).tokens);
  });

  it('take the same room after any length of text, and share the reading of what they begin with', async () => {
    const prompt = 'the dog sat on the fog, and the mat lay by the cat.\n'.repeat(100);
    const [first, second] = [await open(), await open()];
    const cached: number[] = [];
    for (const session of [first, second]) {
      const { usage } = (await complete({ session, prompt, max_tokens: 30, ...greedy })).body;
      cached.push(usage.prompt_tokens_details.cached_tokens);
    }
    expect(cached[0]).toBeLessThan(100);
    expect(cached[1]).toBeGreaterThan(prompt.length / 2);
    expect((await get(second)).tokens).toBe(prompt.length + 30);
    const { bytes } = await get(first);
    await write({ session: first, prompt: prompt.repeat(5), max_tokens: 30, ...greedy });
    expect((await get(first)).bytes).toBeLessThan(bytes * 1.5);
    const third = await write({ session: first, prompt: '', max_tokens: 20, ...greedy });
    expect(third).toHaveLength(20);
  });

  it('stop before a stop text, wherever the borders of tokens are, and go on from there', async () => {
    const whole = await write({ prompt: 'the cat', max_tokens: 60, ...greedy });
    const stop = whole.slice(17, 20);
    const at = whole.indexOf(stop);
    const session = await open();
    expect(await write({ session, prompt: 'the cat', stop, max_tokens: 60, ...greedy })).toBe(
      whole.slice(0, at),
    );
    expect(await get(session)).toMatchObject({ tokens: 7 + at });
    // What stopped the text was never read: it is written again.
    expect(await write({ session, max_tokens: 60 - at, ...greedy })).toBe(whole.slice(at));
  });

  it('use a session one at a time, from any API process', async () => {
    const session = await open();
    const other = await api.another();
    const abort = new AbortController();
    const first = await stream({ session, max_tokens: 100_000 }, abort.signal);
    expect(first.status).toBe(200);
    for (const url of [api.url, other.url]) {
      const refused = await stream({ session, max_tokens: 1, stream: false }, null, url);
      expect(refused.status).toBe(409);
      expect(refused.headers.get('retry-after')).toBe('1');
      expect(((await refused.json()) as ErrorEnvelope).error).toMatchObject({
        code: 'session_busy',
        type: 'conflict_error',
      });
    }
    expect((await api.request.get('/metrics')).text).toMatch(/^unfold_sessions_busy_total [1-9]/m);
    abort.abort();
    await waitFor('the session to be free', () => isFree(session));
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, k) =>
        stream({ session, max_tokens: 30, stream: false }, null, k % 2 ? api.url : other.url),
      ),
    );
    const done = answers.filter(({ status }) => status === 200).length;
    expect(done).toBeGreaterThan(0);
    expect(answers.every(({ status }) => status === 200 || status === 409)).toBe(true);
  });

  it('commit what was streamed when the client goes away, and only that', async () => {
    const session = await open();
    const abort = new AbortController();
    const answer = await stream({ session, prompt: 'the cat', max_tokens: 100_000, ...greedy }, abort.signal);
    const reader = answer.body!.getReader();
    await reader.read();
    await reader.read();
    abort.abort();
    await reader.read().catch(() => null);
    await waitFor('the session to be free', () => isFree(session));
    const { tokens } = await get(session);
    expect(tokens).toBeGreaterThan(7);
    const whole = await write({ prompt: 'the cat', max_tokens: tokens - 7 + 20, ...greedy });
    expect(await write({ session, max_tokens: 20, ...greedy })).toBe(whole.slice(tokens - 7));
  });

  it('keep nothing of an answer that its client did not wait for', async () => {
    const session = await open();
    const abort = new AbortController();
    const call = stream({ session, prompt: 'the', max_tokens: 100_000, stream: false }, abort.signal).catch(
      () => null,
    );
    await waitFor('the session to be used', async () => !(await isFree(session)));
    abort.abort();
    await call;
    await waitFor('the session to be free', () => isFree(session));
    expect(await get(session)).toMatchObject({ tokens: 0 });
  });

  it('run to their end when the session is deleted under them', async () => {
    const session = await open();
    const answer = await stream({ session, prompt: 'the', max_tokens: 3000, ...greedy });
    const reader = answer.body!.getReader();
    await reader.read();
    expect((await api.request.delete(`/v1/sessions/${session}`)).status).toBe(200);
    let text = '';
    const decoder = new TextDecoder();
    for (let part = await reader.read(); !part.done; part = await reader.read())
      text += decoder.decode(part.value);
    expect(text).toMatch(/"finish_reason":"length"[\s\S]*data: \[DONE\]\n\n$/);
    expectError(await complete({ session }), 404, 'not_found', 'session');
  });

  it('give the session back where it stood when the database does not take their state', async () => {
    const id = await open();
    await api.database.query(`
      CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no room'; END $$;
      CREATE TRIGGER refuse BEFORE UPDATE OF state ON sessions FOR EACH ROW EXECUTE FUNCTION refuse()`);
    try {
      const answer = await complete({ session: id, prompt: 'the', max_tokens: 3 });
      expect(answer.status).toBeGreaterThanOrEqual(500);
    } finally {
      await api.database.query('DROP TRIGGER refuse ON sessions; DROP FUNCTION refuse()');
    }
    expect((await get(id)).tokens).toBe(0);
    await write({ session: id, prompt: 'the', max_tokens: 3 });
  });

  it('are fenced off when another process has taken the session over meanwhile', async () => {
    const session = await open();
    const answer = await stream({ session, prompt: 'the', max_tokens: 2000, ...greedy });
    const reader = answer.body!.getReader();
    await reader.read();
    // As after a stall that was longer than the lease.
    await api.database.query("UPDATE sessions SET lease_expires_at = now() - interval '1 s' WHERE id = $1", [
      session,
    ]);
    const taken = await api.store.sessions.lease({ project: 'default', key: 'local' }, session, 60_000);
    let text = '';
    const decoder = new TextDecoder();
    for (let part = await reader.read(); !part.done; part = await reader.read())
      text += decoder.decode(part.value);
    expect(text).toMatch(/"code":"session_busy"/);
    expect(text).not.toContain('[DONE]');
    expect(text).not.toContain('"finish_reason":"length"');
    await api.store.sessions.release(taken.lease);
    expect(await get(session)).toMatchObject({ tokens: 0 });
  });

  it('go on with the model that the session began with, and with no other', async () => {
    const session = await open();
    const newer = await trainModel({ seed: 9 });
    const second = await publish(api, newer, 'cats');
    try {
      const answer = await complete({ session, prompt: 'the cat', max_tokens: 20, ...greedy });
      expect(answer.body.model).toBe(model);
      const old = await write({ model, prompt: 'the cat', max_tokens: 20, ...greedy });
      expect(answer.body.choices[0].text).toBe(old);
      for (const other of [second.id, 'dogs'])
        expectError(await complete({ session, model: other }), 400, 'invalid_value', 'model');
    } finally {
      await api.request.delete(`/v1/models/${second.id}`);
    }
  });

  it('say so when the model was deleted; the session itself can still be had and deleted', async () => {
    const gone = await publish(api, trained, 'gone');
    const session = await open({ model: 'gone' });
    await api.request.delete(`/v1/models/${gone.id}`);
    expectError(await complete({ session, model: 'gone' }), 409, 'wrong_state', 'session');
    expect((await get(session)).model).toBe(gone.id);
    expect((await api.request.get(`/v1/sessions?model=${gone.id}`)).body.data).toHaveLength(1);
    expect((await api.request.delete(`/v1/sessions/${session}`)).status).toBe(200);
  });

  it('of a hundred sessions at once are those of each alone', async () => {
    const prompts = Array.from({ length: 100 }, (_, k) =>
      `the ${'cat dog mat fog'.split(' ')[k % 4]} ${k}`.slice(0, 7),
    );
    const sessions = await Promise.all(prompts.map(() => open()));
    const ask = (k: number, more: object) => ({
      prompt: prompts[k],
      max_tokens: 16,
      temperature: 1,
      seed: k,
      ...more,
    });
    const together = await Promise.all(sessions.map((session, k) => write(ask(k, { session }))));
    const rest = await Promise.all(sessions.map((session, k) => write(ask(k, { session, prompt: '' }))));
    for (const k of [0, 1, 2, 3, 50, 99]) {
      expect(together[k]! + rest[k]!).toBe(await write(ask(k, { max_tokens: 32 })));
    }
  });
});

describe('forks and snapshots', () => {
  it('write the same with the same seed, diverge with others, and leave their parent alone', async () => {
    const parent = await open({ metadata: { reader: 'one' } });
    await write({ session: parent, prompt: 'the cat', max_tokens: 10, ...sampled });
    const before = await get(parent);
    const forks = await Promise.all([1, 2, 3].map(() => fork(parent)));
    const texts = await Promise.all(
      [7, 7, 8].map((seed, k) => write({ session: forks[k], max_tokens: 40, temperature: 1, seed })),
    );
    expect(texts[0]).toBe(texts[1]);
    expect(texts[2]).not.toBe(texts[0]);
    expect(await get(parent)).toEqual(before);
    expect(await get(forks[0]!)).toMatchObject({ forked_from: parent, metadata: { reader: 'one' }, model });
    expect(await write({ session: parent, max_tokens: 40, temperature: 1, seed: 7 })).toBe(texts[0]);
  });

  it('go back to a snapshot, fork from it, and are limited', async () => {
    const session = await open();
    await write({ session, prompt: 'the cat', max_tokens: 5, ...greedy });
    const base = `/v1/sessions/${session}`;
    const snapshot = (await api.request.post(`${base}/snapshots`)).body;
    expect(snapshot).toMatchObject({ object: 'session.snapshot', session, tokens: 12 });
    const first = await write({ session, max_tokens: 30, ...greedy });
    const restored = await api.request.post(`${base}/restore`).send({ snapshot: snapshot.id });
    expect(sessionResource.parse(restored.body)).toMatchObject({ id: session, tokens: 12 });
    expect(await write({ session, max_tokens: 30, ...greedy })).toBe(first);
    const forked = await fork(session, { snapshot: snapshot.id, metadata: {} });
    expect(await write({ session: forked, max_tokens: 30, ...greedy })).toBe(first);
    await api.request.post(`${base}/snapshots`);
    expectError(await api.request.post(`${base}/snapshots`), 409, 'snapshot_limit');
    const listed = snapshotList.parse((await api.request.get(`${base}/snapshots`)).body);
    expect(listed.data.map(({ id }) => id).at(-1)).toBe(snapshot.id);
    const gone = await api.request.delete(`${base}/snapshots/${snapshot.id}`);
    expect(gone.body).toEqual({ id: snapshot.id, object: 'session.snapshot', deleted: true });
    expectError(await api.request.delete(`${base}/snapshots/${snapshot.id}`), 404, 'not_found', 'snapshot');
  });

  it('are not restored under a completion', async () => {
    const session = await open();
    const snapshot = (await api.request.post(`/v1/sessions/${session}/snapshots`)).body.id;
    const abort = new AbortController();
    await stream({ session, max_tokens: 100_000 }, abort.signal);
    const refused = await api.request.post(`/v1/sessions/${session}/restore`).send({ snapshot });
    expectError(refused, 409, 'session_busy', null);
    abort.abort();
    await waitFor('the session to be free', () => isFree(session));
  });
});

describe('a state that the client keeps', () => {
  const download = async (id: string) => {
    const answer = await fetch(`${api.url}/v1/sessions/${id}/state`);
    return { answer, bytes: Buffer.from(await answer.arrayBuffer()) };
  };

  it('is downloaded, and goes on elsewhere', async () => {
    const session = await open();
    await write({ session, prompt: 'the cat', max_tokens: 5, ...greedy });
    const { answer, bytes } = await download(session);
    expect(answer.headers.get('content-type')).toBe('application/octet-stream');
    expect(bytes.length).toBe((await get(session)).bytes);
    const again = await fetch(`${api.url}/v1/sessions/${session}/state`, {
      headers: { 'if-none-match': answer.headers.get('etag')! },
    });
    expect(again.status).toBe(304);
    const copy = await open({ state: bytes.toString('base64') });
    expect(await get(copy)).toMatchObject({ tokens: 12, forked_from: null });
    expect(await write({ session: copy, max_tokens: 30, ...greedy })).toBe(
      await write({ session, max_tokens: 30, ...greedy }),
    );
    expect((await download(session)).answer.headers.get('etag')).not.toBe(answer.headers.get('etag'));
  });

  const uploadState = (state: Buffer, name = 'cats') =>
    api.request.post('/v1/sessions').send({ model: name, state: state.toString('base64') });

  /** The same state with other words in its header. */
  const reworded = (bytes: Buffer, change: object): Buffer => {
    const end = 12 + bytes.readUInt32LE(8);
    const header = JSON.parse(bytes.toString('utf8', 12, end));
    const text = Buffer.from(JSON.stringify({ ...header, ...change }));
    const size = Buffer.alloc(4);
    size.writeUInt32LE(text.length);
    return Buffer.concat([bytes.subarray(0, 8), size, text, bytes.subarray(end)]);
  };

  it('is refused when its words or numbers could not be this model’s', async () => {
    const session = await open();
    await write({ session, prompt: 'the cat', max_tokens: 5, ...greedy });
    const { bytes } = await download(session);
    expect((await uploadState(reworded(bytes, {}))).status).toBe(201);
    const pending = (token: unknown, remaining: unknown = null) => ({ pending: [{ token, remaining }] });
    for (const change of [
      pending(100_000),
      pending(-1),
      pending(0.5),
      pending('a'),
      pending(1, -1),
      pending(1, 'x'),
      { pending: 'all' },
      { pending: [null] },
      { pending: undefined },
      { position: -1 },
      { position: 1e300 },
      { drawn: 0.5 },
      { drawn: null },
      { ending: null },
      { ending: { draws: -1, time: 0, remaining: null } },
      { ending: { draws: 0, time: 0, remaining: 'x' } },
      { counts: [[100_000, 1]] },
      { counts: [[1, -1]] },
      { counts: {} },
      { open: 100 },
      { context: [1] },
      { size: 1e9 },
      { elements: 'float64' },
    ]) {
      const answer = await uploadState(reworded(bytes, change));
      expect(answer.status, JSON.stringify(change)).toBe(400);
      expectError(answer, 400, 'invalid_value', 'state');
    }
    const infinite = Buffer.from(bytes);
    infinite.fill(0xff, infinite.length - 8);
    expectError(await uploadState(infinite), 400, 'invalid_value', 'state');
  });

  it('is refused when it is not this model’s, or was changed', async () => {
    const session = await open();
    await write({ session, prompt: 'the cat', max_tokens: 5, ...greedy });
    const { bytes } = await download(session);
    await publish(api, await trainModel({ model: { cell: 'gru', hidden_size: 9, num_layers: 1 } }), 'small');
    await publish(api, await trainModel({ seed: 4 }), 'sibling');
    for (const name of ['small', 'sibling'])
      expectError(await uploadState(bytes, name), 400, 'invalid_value', 'state');
    for (const cut of [1, 4, 12, 40, bytes.length - 1])
      expectError(await uploadState(bytes.subarray(0, cut)), 400, 'invalid_value', 'state');
    expectError(await uploadState(Buffer.concat([bytes, bytes])), 400, 'invalid_value', 'state');
    // Whatever was changed, it is either refused or a state that can be gone on with.
    for (let place = 0; place < bytes.length; place += 37) {
      const changed = Buffer.from(bytes);
      changed[place] = changed[place]! ^ 0x15;
      const answer = await uploadState(changed);
      if (answer.status === 201) {
        expect((await complete({ session: answer.body.id, max_tokens: 3 })).status).toBe(200);
        await api.request.delete(`/v1/sessions/${answer.body.id}`);
      } else expectError(answer, 400, 'invalid_value', 'state');
    }
  });
});
