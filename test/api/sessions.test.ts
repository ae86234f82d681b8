import { sessionList, sessionResource, snapshotList } from '@unfold/contracts';
import { describe, expect, it } from 'vitest';
import { waitFor } from '../support/process.ts';
import { api, complete, model, stream } from './model-calls.ts';
import { fork, get, greedy, isFree, open, sampled, serveSessions, write } from './session-calls.ts';
import { expectError } from './support.ts';
import { publish, trainModel, trainWeights } from './trained-model.ts';

serveSessions();

const nobody = 'sess-019aab2f6c4e7d3f8a1b2c3d4e5f6071';

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
    const full = await api.request.post(`${base}/snapshots`);
    expectError(full, 409, 'snapshot_limit');
    expect(full.headers['x-should-retry']).toBe('false');
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
