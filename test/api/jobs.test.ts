import { type JobSpecInput, jobResource } from '@unfold/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { waitFor } from '../support/process.ts';
import {
  type Api,
  append,
  claim,
  expectError,
  metric,
  queueKinds,
  sampleText,
  smallSpec,
  startApi,
  submit,
  upload,
} from './support.ts';

describe.each(queueKinds)('jobs, with the queue on %s', (queue) => {
  let api: Api;

  beforeAll(async () => {
    api = await startApi({ queue, timings: { reconcileMs: 300 } });
  });
  afterAll(async () => api.stop());

  const ticketOf = async (id: string) =>
    (await api.store.jobs.queued()).find((ticket) => ticket.job_id === id) ?? null;
  const isHeld = async (id: string) => {
    const ticket = await ticketOf(id);
    return ticket !== null && api.queue.holds(ticket);
  };

  describe('POST /v1/jobs', () => {
    it('fills in every default, stores the job as queued and gives it to the queue', async () => {
      const file = await upload(api);
      const answer = await api.request.post('/v1/jobs').send({ file });
      expect(answer.status).toBe(201);
      const job = jobResource.parse(answer.body);
      expect(job).toMatchObject({ status: 'queued', requested: null, attempt: 0, queue_position: 1 });
      expect(job.spec).toMatchObject({
        model: { cell: 'lstm', hidden_size: 256 },
        training: { batch_size: 64 },
      });
      expect(await isHeld(job.id)).toBe(true);
      await api.request.post(`/v1/jobs/${job.id}/cancel`);
    });

    it('warns of what is allowed but probably not meant, in every answer that shows the job', async () => {
      const file = await upload(api);
      const model = { cell: 'elman' as const, hidden_size: 8, recurrence: 'output' as const };
      const answer = await api.request.post('/v1/jobs').send({ ...smallSpec(file), model });
      const { id, warnings } = jobResource.parse(answer.body);
      expect(warnings).toEqual([expect.stringContaining('bigram')]);
      expect((await api.request.get(`/v1/jobs/${id}`)).body.warnings).toEqual(warnings);
      await api.request.post(`/v1/jobs/${id}/cancel`);
      const usual = await api.request.post('/v1/jobs').send(smallSpec(file));
      expect(usual.body.warnings).toEqual([]);
      await api.request.post(`/v1/jobs/${usual.body.id}/cancel`);
    });

    it('stores each of many that are posted at once, and refuses the others for their own reasons', async () => {
      const file = await upload(api);
      const nowhere = `file-${'0'.repeat(32)}`;
      const names = Array.from({ length: 20 }, (_, k) => `of-many-${k}`);
      const posted = names.map((name, k) => {
        const spec = { ...smallSpec(file), name, ...(k % 5 === 4 ? { validation_file: nowhere } : {}) };
        return api.request.post('/v1/jobs').send(spec);
      });
      const answers = await Promise.all(posted);
      expect(answers.map(({ status }) => status)).toEqual(names.map((_, k) => (k % 5 === 4 ? 404 : 201)));
      const jobs = answers.filter(({ status }) => status === 201).map(({ body }) => jobResource.parse(body));
      expect(jobs.map(({ name }) => name)).toEqual(names.filter((_, k) => k % 5 !== 4));
      for (const { id } of jobs) {
        expect(await isHeld(id)).toBe(true);
        await api.request.post(`/v1/jobs/${id}/cancel`);
      }
    });

    it('refuses a file that another process deleted a moment ago, whatever it remembers of it', async () => {
      const file = await upload(api);
      const first = await api.request.post('/v1/jobs').send(smallSpec(file));
      await api.request.post(`/v1/jobs/${first.body.id}/cancel`);
      await api.store.files.remove('default', file);
      expectError(await api.request.post('/v1/jobs').send(smallSpec(file)), 404, 'not_found', 'file');
      const other = await upload(api);
      await api.request.post('/v1/jobs/estimate').send(smallSpec(other));
      await api.request.delete(`/v1/files/${other}`);
      const estimate = await api.request.post('/v1/jobs/estimate').send(smallSpec(other));
      expectError(estimate, 404, 'not_found', 'file');
    });

    it.each(['/v1/jobs', '/v1/jobs/estimate'])(
      '%s refuses a text with nothing to validate on',
      async (url) => {
        const training = { batch_size: 1, sequence_length: 1, max_steps: 2 };
        const post = async (content: string, more: Partial<JobSpecInput>) =>
          api.request.post(url).send({
            ...smallSpec(await upload(api, content), more),
            training: { ...training, ...more.training },
          });
        const fraction = 'training.validation_fraction';
        const text = { level: 'word' } as const;
        const words = await post('one two three four', { text });
        expectError(words, 422, 'text_too_short', fraction);
        expect(words.body.error.message).toContain('at least 2 tokens to validate on');
        expectError(await post('abcdefgh', {}), 422, 'text_too_short', fraction);
        expectError(await post('abcdefgh', { text: { level: 'byte' } }), 422, 'text_too_short', fraction);
        const word = await upload(api, 'alone');
        expectError(
          await post(sampleText, { text, validation_file: word }),
          422,
          'text_too_short',
          'validation_file',
        );
        const accepted = [
          await post('one two three four five six', { text, training: { validation_fraction: 0.5 } }),
          await post('one two three four', { text, training: { validation_fraction: 0 } }),
          await post(sampleText, { validation_file: word }),
        ];
        for (const answer of accepted) expect(answer.body).toHaveProperty('object');
      },
    );

    it('refuses what is impossible with this data with 422, naming the field', async () => {
      const post = (body: object) => api.request.post('/v1/jobs').send(body);
      const good = await upload(api);
      const empty = await upload(api, '');
      const binary = await upload(
        api,
        Buffer.concat([Buffer.alloc(500, 'a'), Buffer.from([0xc3]), Buffer.alloc(500, 'b')]),
      );
      const short = await upload(api, 'ten chars.');
      expectError(await post(smallSpec(empty)), 422, 'empty_file', 'file');
      const utf8 = expectError(await post(smallSpec(binary)), 422, 'invalid_utf8', 'file');
      expect(utf8.message).toContain(
        `file: expected UTF-8, but "text.txt" (${binary}) has an invalid byte at offset 500`,
      );
      expect((await post(smallSpec(binary, { text: { level: 'byte' } }))).status).toBe(201);
      expectError(await post(smallSpec(short)), 422, 'text_too_short', 'file');
      const runs = 'x'.repeat(48);
      // A window of 16 wants 17 tokens to train on.
      const inWords = async (text: string) =>
        post(smallSpec(await upload(api, text), { text: { level: 'word' } }));
      for (const word of ['long'.repeat(20), [runs, runs, runs, runs].join('-')])
        expectError(await inWords(`${word} `.repeat(8)), 422, 'text_too_short', 'file');
      expect((await inWords(`${runs} `.repeat(30))).status).toBe(201);
      expectError(
        await post(smallSpec(good, { validation_file: empty })),
        422,
        'empty_file',
        'validation_file',
      );
      expectError(
        await post(smallSpec(good, { validation_file: binary })),
        422,
        'invalid_utf8',
        'validation_file',
      );
      const big = { hidden_size: 4096, num_layers: 8 };
      expectError(await post(smallSpec(good, { model: big })), 422, 'limit_exceeded', 'model');
      // As few characters as there are, and not as there might be in a file of this size.
      const repeated = smallSpec(await upload(api, '日本'.repeat(100_000)), { model: { hidden_size: 512 } });
      expect((await post(repeated)).status).toBe(201);
      const unknown = `file-${'0'.repeat(32)}`;
      expectError(await post(smallSpec(unknown)), 404, 'not_found', 'file');
      expectError(
        await post(smallSpec(good, { validation_file: unknown })),
        404,
        'not_found',
        'validation_file',
      );
      const contradiction = { max_steps: 1, validation_fraction: 0, early_stopping: {} };
      expectError(await post(smallSpec(good, { training: contradiction })), 400, 'contradictory_options');
    });

    it('gives the stored answer for the same Idempotency-Key, even when its file is gone', async () => {
      const file = await upload(api);
      const post = (seed: number) =>
        api.request.post('/v1/jobs').set('idempotency-key', 'job-key').send(smallSpec(file, { seed }));
      const first = await post(1);
      const again = await post(1);
      expect(again.status).toBe(201);
      expect(again.body).toEqual(first.body);
      expectError(await post(2), 422, 'idempotency_mismatch');
      await api.request.post(`/v1/jobs/${first.body.id}/cancel`);
      await api.request.delete(`/v1/files/${file}`);
      expect((await post(1)).body.id).toBe(first.body.id);
    });

    it('posts once, however many send the same Idempotency-Key at the same moment', async () => {
      const file = await upload(api);
      const answers = await Promise.all(
        Array.from({ length: 8 }, () =>
          api.request.post('/v1/jobs').set('idempotency-key', 'at-once').send(smallSpec(file)),
        ),
      );
      const ids = new Set(answers.filter(({ status }) => status === 201).map(({ body }) => body.id));
      expect(ids.size).toBe(1);
      for (const answer of answers.filter(({ status }) => status !== 201))
        expectError(answer, 409, 'idempotency_in_progress');
      await api.request.post(`/v1/jobs/${[...ids][0]}/cancel`);
    });
  });

  it('POST /v1/jobs/estimate says what a job would need and posts nothing', async () => {
    const before = (await api.request.get('/v1/jobs?limit=100')).body.data.length;
    const answer = await api.request.post('/v1/jobs/estimate').send(smallSpec(await upload(api)));
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({ object: 'training.estimate', total_steps: 4 });
    expect(answer.body.parameters).toBeGreaterThan(0);
    expect((await api.request.get('/v1/jobs?limit=100')).body.data).toHaveLength(before);
  });

  it('GET /v1/jobs filters by status and metadata', async () => {
    const mine = await submit(api, { metadata: { team: 'blue', run: '1' } });
    await submit(api, { metadata: { team: 'red' } });
    const ids = async (query: string) =>
      (await api.request.get(`/v1/jobs?${query}`)).body.data.map(({ id }: { id: string }) => id);
    expect(await ids('metadata[team]=blue')).toEqual([mine.id]);
    expect(await ids('metadata[team]=blue&metadata[run]=2')).toEqual([]);
    expect(await ids('status=queued&metadata[run]=1')).toEqual([mine.id]);
    expect(await ids('status=running')).toEqual([]);
  });

  describe('pause, resume, cancel, delete', () => {
    it('act at once on a queued job, and repeating them answers 200', async () => {
      const job = await submit(api);
      const act = (action: string) => api.request.post(`/v1/jobs/${job.id}/${action}`);
      for (let times = 0; times < 2; times += 1) expect((await act('pause')).body.status).toBe('paused');
      expect(await isHeld(job.id)).toBe(false);
      expect((await act('resume')).body.status).toBe('queued');
      await waitFor('the queue to hold it again', () => isHeld(job.id));
      expectError(await api.request.delete(`/v1/jobs/${job.id}`), 409, 'wrong_state');
      for (let times = 0; times < 2; times += 1) expect((await act('cancel')).body.status).toBe('cancelled');
      expectError(await act('pause'), 409, 'wrong_state');
      expect((await api.request.delete(`/v1/jobs/${job.id}`)).body).toMatchObject({ deleted: true });
      expectError(await api.request.get(`/v1/jobs/${job.id}`), 404, 'not_found');
    });

    it('reach the worker of a running job by broadcast, and set `requested`', async () => {
      const job = await submit(api);
      await claim(api, job.id);
      const heard: string[] = [];
      const subscription = api.queue.onControl(({ job_id, action }) => {
        if (job_id === job.id) heard.push(action);
      });
      await subscription.ready;
      expect((await api.request.post(`/v1/jobs/${job.id}/pause`)).body.requested).toBe('pause');
      expect((await api.request.post(`/v1/jobs/${job.id}/resume`)).body.requested).toBe(null);
      expect((await api.request.post(`/v1/jobs/${job.id}/cancel`)).body.requested).toBe('cancel');
      await waitFor('the broadcasts', async () => heard.includes('cancel'));
      expect(heard).toEqual(['pause', 'resume', 'cancel']);
      subscription();
    });

    it('refuse bodies that they do not take', async () => {
      const job = await submit(api);
      const answer = await api.request.post(`/v1/jobs/${job.id}/cancel`).send({ force: true });
      expectError(answer, 400, 'unknown_field', 'force');
      const resume = await api.request.post(`/v1/jobs/${job.id}/resume`).send({ epochs: 0 });
      expectError(resume, 400, 'invalid_value', 'epochs');
    });
  });

  describe('GET /v1/jobs/:id?wait', () => {
    const wait = async (id: string, seconds: number) => {
      const began = Date.now();
      const answer = await api.request.get(`/v1/jobs/${id}?wait=${seconds}`);
      return { status: answer.body.status as string, ms: Date.now() - began };
    };

    it('answers when the status changes, also when no announcement comes', async () => {
      const job = await submit(api);
      const [waited] = await Promise.all([
        wait(job.id, 30),
        waitFor('the waiter to follow', async () =>
          (await api.app.inject('/metrics')).body.includes('unfold_stream_followers{state="live"} 1'),
        ).then(() => claim(api, job.id)),
      ]);
      expect(waited.status).toBe('running');
      expect(waited.ms).toBeLessThan(10_000);
    });

    it('answers at the time limit when nothing changes, whatever else is appended', async () => {
      const job = await submit(api);
      const owner = await claim(api, job.id);
      const waiting = wait(job.id, 1);
      await append(api, owner, [metric(1), metric(2)]);
      const waited = await waiting;
      expect(waited.status).toBe('running');
      expect(waited.ms).toBeGreaterThan(900);
    });

    it('answers at once for a job that has ended', async () => {
      const job = await submit(api);
      await api.request.post(`/v1/jobs/${job.id}/cancel`);
      const waited = await wait(job.id, 30);
      expect(waited.status).toBe('cancelled');
      expect(waited.ms).toBeLessThan(10_000);
    });
  });

  it('enqueues jobs that the queue lost', async () => {
    const job = await submit(api);
    const ticket = (await ticketOf(job.id))!;
    await api.queue.remove(ticket);
    await waitFor('the reconciler to enqueue it', () => isHeld(job.id));
  });

  it('enqueues them within the trace that they were posted in', async () => {
    const job = await submit(api);
    const span = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
    await api.store.jobs.keepTrace([job.id], span);
    // The first time the reconciler may have read the table before the trace was kept.
    for (let time = 1; time <= 2; time += 1) {
      await api.queue.remove((await ticketOf(job.id))!);
      await waitFor('the reconciler to enqueue it', () => isHeld(job.id));
    }
    const traces = new Map<string, string | null>();
    const consumer = await api.queue.consume('cpu', async ({ job_id, traceparent }) => {
      traces.set(job_id, traceparent);
    });
    await waitFor('its delivery', () => traces.has(job.id));
    await consumer.close();
    expect(traces.get(job.id)).toBe(span);
  });
});

it('answers 429 queue_full when the queue is as deep as allowed', async () => {
  const api = await startApi({ limits: { queueDepth: 2 } });
  try {
    const file = await upload(api);
    const post = () => api.request.post('/v1/jobs').send(smallSpec(file));
    const first = await post();
    expect((await post()).status).toBe(201);
    const full = await post();
    expectError(full, 429, 'queue_full');
    expect(Number(full.headers['retry-after'])).toBeGreaterThan(0);
    await api.request.post(`/v1/jobs/${first.body.id}/cancel`);
    expect((await post()).status).toBe(201);
  } finally {
    await api.stop();
  }
});
