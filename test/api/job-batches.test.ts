import { readdir } from 'node:fs/promises';
import { jobBatch, mostJobsAtOnce } from '@unfold/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Api, expectError, queueKinds, sampleText, smallSpec, startApi, upload } from './support.ts';
import { publish, trainModel } from './trained-model.ts';

const adminKey = 'an-admin-key-that-limits-nothing';
const bearer = (key: string) => ({ authorization: `Bearer ${key}` });

describe.each(queueKinds)('jobs posted together, with the queue on %s', (queue) => {
  let api: Api;
  let file: string;
  beforeAll(async () => {
    api = await startApi({ queue, limits: { queueDepth: 60 } });
    file = await upload(api);
  });
  afterAll(() => api.stop());

  const post = (jobs: unknown, headers: Record<string, string> = {}) =>
    api.request.post('/v1/jobs/batch').set(headers).send({ jobs });
  const sweep = (...seeds: number[]) => seeds.map((seed) => smallSpec(file, { seed }));
  const stored = async () =>
    (await api.database.query<{ id: string }>('SELECT id FROM jobs ORDER BY id')).map(({ id }) => id);
  /** Ends what waits, so that the queue has room for the next test. */
  const cancelAll = async () => {
    const queued = await api.store.jobs.queued();
    await Promise.all(queued.map(({ job_id }) => api.request.post(`/v1/jobs/${job_id}/cancel`)));
  };

  it('answers with all of them, in order, each queued, enqueued and logged as if posted alone', async () => {
    const alone = (await api.request.post('/v1/jobs').send(smallSpec(file, { seed: 1 }))).body;
    const answer = await post([
      smallSpec(file, { seed: 1 }),
      ...sweep(2, 3, 4, 5, 6, 7, 8, 9, 10),
      smallSpec(file, { seed: 11, priority: 7 }),
    ]);
    expect(answer.status).toBe(201);
    const { data } = jobBatch.parse(answer.body);
    expect(data.map(({ spec }) => spec.seed)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    expect(data.map(({ queue_position }) => queue_position)).toEqual([3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 1]);
    const { id, created_at, queue_position, ...rest } = alone;
    expect(data[0]).toMatchObject(rest);
    const tickets = await api.store.jobs.queued();
    for (const job of data) {
      const { queue_position: place, ...told } = job;
      expect((await api.request.get(`/v1/jobs/${job.id}`)).body).toMatchObject(told);
      expect(await api.store.events.read(job.id)).toMatchObject([
        { seq: 1, type: 'status', status: 'queued' },
      ]);
      expect(await api.queue.holds(tickets.find(({ job_id }) => job_id === job.id)!)).toBe(true);
    }
    await cancelAll();
  });

  it('posts none when one is refused, and says which and why', async () => {
    const before = await stored();
    const wrong = [
      [smallSpec(file, { model: { hidden_size: 0 } }), 400, 'invalid_value', 'jobs[2].model.hidden_size'],
      [{ ...smallSpec(file), colour: 'red' }, 400, 'unknown_field', 'jobs[2].colour'],
      [smallSpec(`file-${'0'.repeat(32)}`), 404, 'not_found', 'jobs[2].file'],
      [smallSpec(file, { training: { sequence_length: 4000 } }), 422, 'text_too_short', 'jobs[2].file'],
      [smallSpec(file, { start_from: { model: 'nobody' } }), 404, 'not_found', 'jobs[2].start_from.model'],
    ] as const;
    for (const [spec, status, code, param] of wrong) {
      const answer = await post([...sweep(1, 2), spec]);
      expectError(answer, status, code, param);
      expect(answer.body.error.message).toContain(param);
    }
    const both = { training: { epochs: 1, batch_size: 2, sequence_length: 8, clip: { norm: 1, value: 1 } } };
    const contradictions = await post([...sweep(1), smallSpec(file, both), smallSpec(file, both)]);
    expect(contradictions.status).toBe(400);
    expect(contradictions.body.error.message.match(/jobs\[/g)).toHaveLength(1);
    expect(contradictions.body.error.param).toMatch(/^jobs\[1\]\./);
    expect(await stored()).toEqual(before);
  });

  it('takes one to a thousand, and nothing else than a list of specs', async () => {
    const before = await stored();
    expectError(await post([]), 400, 'invalid_value', 'jobs');
    expectError(
      await post(sweep(...Array.from({ length: mostJobsAtOnce + 1 }, (_, k) => k))),
      400,
      'invalid_value',
      'jobs',
    );
    expectError(await post(smallSpec(file)), 400, 'invalid_value', 'jobs');
    expectError(await api.request.post('/v1/jobs/batch').send({}), 400, 'missing_field', 'jobs');
    expectError(
      await api.request.post('/v1/jobs/batch').send({ jobs: sweep(1), name: 'a' }),
      400,
      'unknown_field',
      'name',
    );
    expect(await stored()).toEqual(before);
  });

  it('gives the stored answer for the same Idempotency-Key, for the whole', async () => {
    const once = { 'idempotency-key': 'sweep' };
    const first = await post(sweep(1, 2), once);
    expect(first.status).toBe(201);
    const again = await post(sweep(1, 2), once);
    expect(again.headers['idempotent-replayed']).toBe('true');
    expect(again.body).toEqual(first.body);
    expectError(await post(sweep(1, 3), once), 422, 'idempotency_mismatch');
    // The key of another route.
    expect((await api.request.post('/v1/jobs').set(once).send(smallSpec(file))).status).toBe(201);
    await cancelAll();
  });

  it('posts none that do not fit into the queue together', async () => {
    const many = sweep(...Array.from({ length: 60 }, (_, k) => k));
    expect((await post(many.slice(0, 1))).status).toBe(201);
    const before = await stored();
    const full = await post(many);
    expectError(full, 429, 'queue_full');
    expect(Number(full.headers['retry-after'])).toBeGreaterThan(0);
    expect(await stored()).toEqual(before);
    expect((await post(many.slice(1))).status).toBe(201);
    expectError(await post(sweep(1)), 429, 'queue_full');
    await cancelAll();
    expect((await post(sweep(1))).status).toBe(201);
    await cancelAll();
  });

  it('refuses for good what the queue could never hold', async () => {
    const before = await stored();
    const error = expectError(
      await post(sweep(...Array.from({ length: 61 }, (_, k) => k))),
      400,
      'invalid_value',
      'jobs',
    );
    expect(error.message).toContain('at most 60');
    expect(await stored()).toEqual(before);
  });

  it('fills the queue and no more when batches, or single jobs, come at once', async () => {
    const counts = async (answers: Promise<{ status: number }>[]) => {
      const statuses = (await Promise.all(answers)).map(({ status }) => status);
      return [201, 429].map((status) => statuses.filter((it) => it === status).length);
    };
    const batches = Array.from({ length: 15 }, (_, k) => post(sweep(...Array(10).fill(k))).then((it) => it));
    expect(await counts(batches)).toEqual([6, 9]);
    expect(await api.store.jobs.queued()).toHaveLength(60);
    await cancelAll();
    const single = (seed: number) => api.request.post('/v1/jobs').send(smallSpec(file, { seed }));
    const singles = Array.from({ length: 80 }, (_, k) => single(k).then((it) => it));
    expect(await counts(singles)).toEqual([60, 20]);
    expect(await api.store.jobs.queued()).toHaveLength(60);
    await cancelAll();
  });
});

describe('jobs posted together with a key', () => {
  let api: Api;
  beforeAll(async () => {
    api = await startApi({ config: { adminKey } });
    await publish(api, await trainModel(), 'writer');
  });
  afterAll(() => api.stop());

  const make = async (more: object): Promise<string> =>
    (
      await api.request
        .post('/v1/keys')
        .set(bearer(adminKey))
        .send({ name: 'limited', ...more })
    ).body.key;
  const uploadWith = async (key: string): Promise<string> => {
    const answer = api.request.post('/v1/files').set(bearer(key)).field('purpose', 'training');
    return (await answer.attach('file', Buffer.from(sampleText), 'a.txt')).body.id;
  };

  it('count each against its quota, and are one request of its rate', async () => {
    const key = await make({ limits: { concurrent_jobs: 3, requests_per_minute: 100 } });
    const file = await uploadWith(key);
    const post = (jobs: number) =>
      api.request
        .post('/v1/jobs/batch')
        .set(bearer(key))
        .send({ jobs: Array.from({ length: jobs }, () => smallSpec(file)) });
    // No wait would make room for it.
    const error = expectError(await post(4), 400, 'invalid_value', 'jobs');
    expect(error.message).toContain('at most 3');
    const first = await post(2);
    expect(first.status).toBe(201);
    expect(first.headers['x-ratelimit-remaining-requests']).toBe('97');
    expectError(await post(2), 429, 'quota_exceeded');
    expect((await post(1)).status).toBe(201);
  });

  it('need the scope that one needs', async () => {
    const key = await make({ scopes: ['read'] });
    expectError(
      await api.request.post('/v1/jobs/batch').set(bearer(key)).send({ jobs: [] }),
      403,
      'insufficient_scope',
    );
  });

  it('get a copy each of the weights that they start from, and leave none when they are refused', async () => {
    const { spec } = (await api.request.get('/v1/models/writer').set(bearer(adminKey))).body;
    const key = await make({ limits: { concurrent_jobs: 2 } });
    const { task, text, model } = spec;
    const start = {
      ...smallSpec(await uploadWith(key), { task, text, model }),
      start_from: { model: 'writer' },
    };
    const post = (jobs: object[]) => api.request.post('/v1/jobs/batch').set(bearer(key)).send({ jobs });
    const folders = () => readdir(api.store.artifacts.absolute('jobs')).catch(() => []);
    const first = await post([start]);
    expect(first.status).toBe(201);
    const before = await folders();
    expectError(await post([start, start]), 429, 'quota_exceeded');
    expect(await folders()).toEqual(before);
    const second = await post([start]);
    expect(second.status).toBe(201);
    for (const { id } of [...first.body.data, ...second.body.data])
      expect(await readdir(api.store.artifacts.absolute(`jobs/${id}`))).toEqual(['start.safetensors']);
  });
});
