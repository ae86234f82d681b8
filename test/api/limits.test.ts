import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { waitFor } from '../support/process.ts';
import { type Api, expectError, queueKinds, sampleText, smallSpec, startApi } from './support.ts';
import { publish, trainModel, trainWeights } from './trained-model.ts';

const adminKey = 'an-admin-key-that-limits-nothing';
const bearer = (key: string) => ({ authorization: `Bearer ${key}` });

describe.each(queueKinds)('limits of a key, counted with the queue on %s', (queue) => {
  let api: Api;
  beforeAll(async () => {
    api = await startApi({ queue, config: { adminKey } });
    await publish(api, await trainModel(), 'writer');
  });
  afterAll(() => api.stop());

  const make = async (limits: object): Promise<{ id: string; key: string }> => {
    const answer = await api.request.post('/v1/keys').set(bearer(adminKey)).send({ name: 'limited', limits });
    expect(answer.status).toBe(201);
    expect(answer.body.limits).toMatchObject(limits);
    return answer.body;
  };
  const uploadWith = ({ key }: { key: string }, text: string) =>
    api.request
      .post('/v1/files')
      .set(bearer(key))
      .field('purpose', 'training')
      .attach('file', Buffer.from(text), 'a.txt');

  it('requests: told in headers, refused beyond, on every process that shares a Redis', async () => {
    const key = await make({ requests_per_minute: 3 });
    const other = await api.another();
    for (const remaining of ['2', '1']) {
      const { headers } = await api.request.get('/v1/jobs').set(bearer(key.key));
      expect(headers).toMatchObject({
        'x-ratelimit-limit-requests': '3',
        'x-ratelimit-remaining-requests': remaining,
      });
      expect(headers['x-ratelimit-reset-requests']).toMatch(/^(\d+m)?\d+m?s$/);
    }
    const elsewhere = await fetch(`${other.url}/v1/jobs`, { headers: bearer(key.key) });
    expect(elsewhere.headers.get('x-ratelimit-remaining-requests')).toBe(queue === 'Redis' ? '0' : '2');
    if (queue !== 'Redis') await api.request.get('/v1/jobs').set(bearer(key.key));
    const refused = await api.request.get('/v1/jobs').set(bearer(key.key));
    expectError(refused, 429, 'rate_limited');
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    expect((await api.request.get('/v1/jobs').set(bearer(adminKey))).status).toBe(200);
  });

  it('requests that come at once: each counts, and those within the limit are let in', async () => {
    const key = await make({ requests_per_minute: 5 });
    const asked = Array.from({ length: 12 }, () => fetch(`${api.url}/v1/jobs`, { headers: bearer(key.key) }));
    const answers = await Promise.all(asked);
    const passed = answers.filter(({ status }) => status === 200);
    const remaining = passed.map(({ headers }) => headers.get('x-ratelimit-remaining-requests'));
    expect(remaining.sort()).toEqual(['0', '1', '2', '3', '4']);
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(7);
  });

  it('tokens: set aside by the most that a call may take, given back when it took less', async () => {
    const key = await make({ tokens_per_minute: 100 });
    const complete = (max_tokens: number, more: object = {}) =>
      api.request
        .post('/v1/completions')
        .set(bearer(key.key))
        .send({ model: 'writer', prompt: 'the cat', max_tokens, ...more });
    const first = await complete(20);
    expect(first.status).toBe(200);
    expect(first.headers).toMatchObject({
      'x-ratelimit-limit-tokens': '100',
      'x-ratelimit-remaining-tokens': '73',
    });
    const used = first.body.usage.total_tokens;
    const second = await complete(1);
    expect(Number(second.headers['x-ratelimit-remaining-tokens'])).toBe(100 - used - 8);
    const tooMuch = await complete(90);
    expectError(tooMuch, 429, 'rate_limited');
    expect(tooMuch.headers).toHaveProperty('retry-after');
    expect(tooMuch.headers['x-ratelimit-reset-tokens']).toMatch(/^(\d+m)?\d+m?s$/);
    // A refusal and a failure take nothing.
    expectError(await complete(1, { model: 'nobody' }), 404, 'not_found');
    const third = await complete(1);
    expect(third.status).toBe(200);
    const streamed = await complete(2, { stream: true });
    expect(streamed.text).toContain('[DONE]');
    const score = await api.request
      .post('/v1/models/writer/score')
      .set(bearer(key.key))
      .send({ input: 'the dog' });
    expect(Number(score.headers['x-ratelimit-remaining-tokens'])).toBeLessThan(
      Number(third.headers['x-ratelimit-remaining-tokens']),
    );
  });

  it('tokens: of predictions, by what they read', async () => {
    const labels = ['Rossi', 'Bauer'].map((input) => JSON.stringify({ input, label: input[0] })).join('\n');
    await publish(api, await trainWeights(labels, { task: 'classification' }), 'names');
    const key = await make({ tokens_per_minute: 20 });
    const predict = (input: unknown) =>
      api.request.post('/v1/models/names/predict').set(bearer(key.key)).send({ input });
    const first = await predict(['Rossi', 'Bauer']);
    expect(first.status).toBe(200);
    expect(first.headers['x-ratelimit-remaining-tokens']).toBe('10');
    expectError(await predict([1, 2, 3]), 400, 'invalid_value', 'input');
    expect((await predict('Rossi')).headers['x-ratelimit-remaining-tokens']).toBe('5');
    expectError(await predict('Albrecht'), 429, 'rate_limited');
  });

  it('tokens: none of a stream for which there is no room', async () => {
    const full = await api.another({ limits: { ...api.config.limits, sockets: 0 } });
    const key = await make({ tokens_per_minute: 100 });
    const complete = (stream: boolean) =>
      fetch(`${full.url}/v1/completions`, {
        method: 'POST',
        headers: { ...bearer(key.key), 'content-type': 'application/json' },
        body: JSON.stringify({ model: 'writer', prompt: 'the cat', max_tokens: 90, stream }),
      });
    expect((await complete(true)).status).toBe(429);
    expect((await complete(false)).status).toBe(200);
  });

  it('jobs: as many at once as allowed, and again when one has ended', async () => {
    const key = await make({ concurrent_jobs: 1 });
    const file = (await uploadWith(key, sampleText)).body.id;
    const post = () => api.request.post('/v1/jobs').set(bearer(key.key)).send(smallSpec(file));
    const [one, other] = await Promise.all([post(), post()]);
    expect([one.status, other.status].sort()).toEqual([201, 429]);
    const refused = one.status === 429 ? one : other;
    expectError(refused, 429, 'quota_exceeded');
    expect(refused.headers).toHaveProperty('retry-after');
    const job = one.status === 201 ? one.body.id : other.body.id;
    await api.request.post(`/v1/jobs/${job}/cancel`).set(bearer(key.key));
    expect((await post()).status).toBe(201);
  });

  it.each(['/v1/jobs', '/v1/fine_tuning/jobs'])('jobs: those that %s resumes as well', async (path) => {
    const [key, other] = [await make({ concurrent_jobs: 1 }), await make({ concurrent_jobs: 1 })];
    const file = (await uploadWith(key, sampleText)).body.id;
    const post = (by = key) => api.request.post('/v1/jobs').set(bearer(by.key)).send(smallSpec(file));
    const ask = (id: string, action: string, by = key) =>
      api.request.post(`${path}/${id}/${action}`).set(bearer(by.key)).send();
    const first = (await post()).body.id;
    expect((await ask(first, 'pause')).status).toBe(200);
    const second = (await post()).body.id;
    expectError(await ask(first, 'resume'), 429, 'quota_exceeded');
    // Whoever resumes a job has it from then on: two keys do not have three jobs at once.
    expect((await ask(first, 'resume', other)).status).toBe(200);
    expectError(await post(other), 429, 'quota_exceeded');
    expect((await ask(second, 'cancel')).status).toBe(200);
    expect((await post()).status).toBe(201);
    const { paths } = (await api.request.get('/openapi.json').set(bearer(adminKey))).body;
    expect(JSON.stringify(paths[`${path}/{id}/resume`].post)).toContain('quota_exceeded');
  });

  it('bytes: of uploads, imports and what jobs leave, free again once deleted', async () => {
    const key = await make({ stored_bytes: sampleText.length + 100 });
    const first = await uploadWith(key, sampleText);
    expect(first.status).toBe(201);
    const path = (await api.database.query<{ n: number }>('SELECT count(*)::int AS n FROM files'))[0]?.n;
    expectError(await uploadWith(key, sampleText), 429, 'quota_exceeded');
    expect((await api.database.query<{ n: number }>('SELECT count(*)::int AS n FROM files'))[0]?.n).toBe(
      path,
    );
    expect((await uploadWith(key, 'x'.repeat(100))).status).toBe(201);
    const job = await api.request.post('/v1/jobs').set(bearer(key.key)).send(smallSpec(first.body.id));
    expectError(job, 429, 'quota_exceeded');
    await api.request.delete(`/v1/files/${first.body.id}`).set(bearer(key.key));
    expect((await uploadWith(key, sampleText)).status).toBe(201);
  });

  it('bytes: of what sessions remember, and of their snapshots', async () => {
    const probe = await make({});
    const open = ({ key }: { key: string }) =>
      api.request.post('/v1/sessions').set(bearer(key)).send({ model: 'writer' });
    const { bytes } = (await open(probe)).body;
    const key = await make({ stored_bytes: 2 * bytes + 1 });
    const first = (await open(key)).body.id;
    const ask = (path: string) =>
      api.request.post(`/v1/sessions/${first}/${path}`).set(bearer(key.key)).send();
    expect((await ask('snapshots')).status).toBe(201);
    for (const path of ['fork', 'snapshots']) expectError(await ask(path), 429, 'quota_exceeded');
    expectError(await open(key), 429, 'quota_exceeded');
    expectError(await uploadWith(key, 'no room'), 429, 'quota_exceeded');
    await api.request.delete(`/v1/sessions/${first}`).set(bearer(key.key));
    expect((await open(key)).status).toBe(201);
  });

  it('bytes: an upload is read no further than it fits, and answered again when nothing is left', async () => {
    const key = await make({ stored_bytes: 1000 });
    const upload = (text: string) => uploadWith(key, text).set('idempotency-key', 'full');
    const first = await upload('x'.repeat(1000));
    expect(first.status).toBe(201);
    expect((await upload('x'.repeat(1000))).body).toEqual(first.body);
    await api.request.delete(`/v1/files/${first.body.id}`).set(bearer(key.key));
    // Ends only when somebody stops reading.
    const endless = new ReadableStream({
      start: (form) =>
        form.enqueue(
          Buffer.from(
            '--b\r\ncontent-disposition: form-data; name="purpose"\r\n\r\ntraining\r\n--b\r\n' +
              'content-disposition: form-data; name="file"; filename="a.txt"\r\n\r\n',
          ),
        ),
      pull: (form) => form.enqueue(Buffer.alloc(500, 'x')),
    });
    const refused = await fetch(`${api.url}/v1/files`, {
      method: 'POST',
      headers: { ...bearer(key.key), 'content-type': 'multipart/form-data; boundary=b' },
      body: endless,
      duplex: 'half',
    });
    expect(refused.status).toBe(429);
    expect(await refused.json()).toMatchObject({ error: { code: 'quota_exceeded' } });
  });

  it('hold by the configuration where a key says nothing', async () => {
    const strict = await api.another({
      keyLimits: { tokensPerMinute: 50, concurrentJobs: 1, storedBytes: 10 },
    });
    const key = await make({});
    const form = new FormData();
    form.set('purpose', 'training');
    form.set('file', new Blob(['more than ten bytes']), 'a.txt');
    const refused = await fetch(`${strict.url}/v1/files`, {
      method: 'POST',
      headers: bearer(key.key),
      body: form,
    });
    expect([refused.status, ((await refused.json()) as { error: { code: string } }).error.code]).toEqual([
      429,
      'quota_exceeded',
    ]);
  });

  if (queue === 'Redis')
    it('requests: are counted by each process alone while Redis is away', async () => {
      const key = await make({ requests_per_minute: 50 });
      const remaining = async () =>
        (await api.request.get('/v1/files').set(bearer(key.key))).headers['x-ratelimit-remaining-requests'];
      expect(await remaining()).toBe('49');
      await api.redis?.stop();
      await waitFor('a request that Redis does not count', async () => (await remaining()) === '49');
    });
});
