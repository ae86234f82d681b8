import { Unfold, UnfoldError, UnreachableError } from '@unfold/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Api, sampleText, smallSpec, startApi } from '../api/support.ts';
import { publish, trainModel } from '../api/trained-model.ts';
import { freePort } from '../support/process.ts';

const text = (content: string): Blob => new Blob([content]);

const collect = async <T>(items: AsyncIterable<T>): Promise<T[]> => {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
};

describe('the client', () => {
  let api: Api;
  let unfold: Unfold;

  beforeAll(async () => {
    api = await startApi();
    unfold = new Unfold({ baseUrl: api.url });
    await publish(api, await trainModel(), 'cats');
  });
  afterAll(async () => api.stop());

  const uploaded = () => unfold.files.upload(text(sampleText), { filename: 'cats.txt' });

  it('throws what the API refuses, with its status, code, field and request id', async () => {
    const { id } = await uploaded();
    const refused = await unfold.jobs
      .create({ file: id, training: { batch_size: 0 } })
      .catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(UnfoldError);
    expect(refused).toMatchObject({
      name: 'UnfoldError',
      status: 400,
      type: 'invalid_request_error',
      code: 'invalid_value',
      param: 'training.batch_size',
      requestId: expect.any(String),
    });
    await expect(unfold.models.get('nobody')).rejects.toMatchObject({ status: 404, code: 'not_found' });
  });

  it('throws UnreachableError where nobody listens, naming the address', async () => {
    const nowhere = `http://127.0.0.1:${await freePort()}`;
    const refused = new Unfold({ baseUrl: nowhere, maxRetries: 1 }).jobs.list();
    await expect(refused).rejects.toBeInstanceOf(UnreachableError);
    await expect(refused).rejects.toThrow(`${nowhere} cannot be reached: connect ECONNREFUSED`);
  });

  it('goes through every page of a list', async () => {
    const file = await uploaded();
    const labelled = { metadata: { test: 'pages' } };
    for (let posted = 0; posted < 3; posted += 1) await unfold.jobs.create(smallSpec(file.id, labelled));
    const page = await unfold.jobs.list({ limit: 2, ...labelled });
    expect(page).toMatchObject({ object: 'list', has_more: true });
    const all = await collect(unfold.jobs.all({ limit: 2, ...labelled }));
    expect(all).toHaveLength(3);
    expect(new Set(all.map(({ id }) => id)).size).toBe(3);
    expect(page.data.map(({ id }) => id)).toEqual(all.slice(0, 2).map(({ id }) => id));
  });

  it('creates once, although the answer was lost and the call was repeated', async () => {
    let sent = 0;
    const losing: typeof fetch = async (input, init) => {
      const answer = await fetch(input, init);
      sent += 1;
      if (sent > 1) return answer;
      await answer.arrayBuffer();
      throw new TypeError('the connection broke');
    };
    const { id } = await uploaded();
    const client = new Unfold({ baseUrl: api.url, fetch: losing });
    const labels = { metadata: { test: 'once' } };
    const job = await client.jobs.create(smallSpec(id, labels));
    expect(sent).toBe(2);
    expect((await unfold.jobs.list(labels)).data.map((each) => each.id)).toEqual([job.id]);
    sent = 0;
    const sweep = { metadata: { test: 'sweep' } };
    const jobs = await client.jobs.createMany([1, 2].map((seed) => smallSpec(id, { ...sweep, seed })));
    expect(sent).toBe(2);
    expect(jobs.map(({ spec }) => spec.seed)).toEqual([1, 2]);
    expect((await unfold.jobs.list({ ...sweep, order: 'asc' })).data.map((each) => each.id)).toEqual(
      jobs.map((each) => each.id),
    );
    sent = 0;
    const file = await client.files.upload(text('once'), { filename: 'once.txt' });
    const files = await collect(unfold.files.all());
    expect(files.filter(({ filename }) => filename === 'once.txt').map((each) => each.id)).toEqual([file.id]);
  });

  it('waits as long as a refusal asks, but not for ever', async () => {
    const statuses: number[] = [];
    const busy =
      (times: number, retryAfter: string): typeof fetch =>
      async (input, init) => {
        statuses.push(statuses.length < times ? 503 : 200);
        if (statuses.length > times) return fetch(input, init);
        return new Response('busy', { status: 503, headers: { 'retry-after': retryAfter } });
      };
    const patient = new Unfold({ baseUrl: api.url, fetch: busy(2, '0') });
    expect(await patient.health()).toEqual({ status: 'ok' });
    expect(statuses).toEqual([503, 503, 200]);
    statuses.length = 0;
    await expect(new Unfold({ baseUrl: api.url, fetch: busy(9, '3600') }).health()).rejects.toMatchObject({
      status: 503,
    });
    expect(statuses).toEqual([503]);
  });

  it('ends a call when its signal is aborted, with the reason of the signal', async () => {
    const job = await unfold.jobs.create(smallSpec((await uploaded()).id));
    const stop = new AbortController();
    const waiting = unfold.jobs.get(job.id, { wait: 60, signal: stop.signal });
    const reason = new Error('enough');
    stop.abort(reason);
    await expect(waiting).rejects.toBe(reason);
  });

  it('says how much of an upload was sent', async () => {
    const content = 'all work and no play. '.repeat(50_000);
    const seen: number[] = [];
    const file = await unfold.files.upload(text(content), {
      filename: 'large.txt',
      onProgress: (sent, total) => {
        expect(total).toBe(content.length);
        seen.push(sent);
      },
    });
    expect(file).toMatchObject({ bytes: content.length, filename: 'large.txt', purpose: 'training' });
    expect(seen.length).toBeGreaterThan(1);
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    expect(seen.at(-1)).toBe(content.length);
    expect(await (await unfold.files.content(file.id)).text()).toBe(content);
    expect(await unfold.files.preview(file.id, { characters: 8 })).toMatchObject({ text: 'all work' });
  });

  it('streams the same text as it answers whole, and ends the call of a reader who leaves', async () => {
    const request = { model: 'cats', prompt: 'the ', max_tokens: 40, seed: 7 };
    const whole = await unfold.completions.create(request);
    let streamed = '';
    for await (const { choices } of unfold.completions.stream(request)) streamed += choices[0]?.text ?? '';
    expect(streamed).toBe(whole.choices[0]?.text);
    let chunks = 0;
    for await (const _ of unfold.completions.stream({ ...request, max_tokens: 100_000 }))
      if (++chunks > 3) break;
    await expect(collect(unfold.completions.stream({ ...request, model: 'nobody' }))).rejects.toMatchObject({
      code: 'not_found',
    });
  });

  it('reaches models, scores, sessions, keys, webhooks and workers', async () => {
    const model = await unfold.models.get('cats');
    expect((await unfold.models.weights('cats')).headers.get('content-type')).toContain('safetensors');
    expect((await unfold.models.score('cats', 'the cat')).data[0]?.tokens).toHaveLength(7);
    const { units } = await unfold.models.activations('cats', 'the cat', { limit: 2 });
    expect(units.map(({ values }) => values.length)).toEqual([7, 7]);
    const spec = smallSpec((await uploaded()).id);
    expect(await unfold.jobs.estimate(spec)).toMatchObject({ object: 'training.estimate' });
    expect(await unfold.jobs.preview(spec)).toMatchObject({ object: 'training.preview', kind: 'text' });
    const session = await unfold.sessions.create({ model: 'cats' });
    const snapshot = await unfold.sessions.snapshots(session.id).create();
    const forked = await unfold.sessions.fork(session.id, { snapshot: snapshot.id });
    expect(forked).toMatchObject({ model: model.id, forked_from: session.id });
    expect(await unfold.sessions.restore(session.id, snapshot.id)).toMatchObject({ id: session.id });
    expect((await collect(unfold.sessions.all({ model: 'cats' }))).map(({ id }) => id)).toEqual([
      forked.id,
      session.id,
    ]);
    const hook = await unfold.webhooks.create({
      url: 'https://example.org/hook',
      events: ['training.job.succeeded'],
    });
    expect(hook.secret).toBeDefined();
    expect(await unfold.webhooks.change(hook.id, { enabled: false })).toMatchObject({ enabled: false });
    expect((await unfold.workers.list()).data).toEqual([]);
    expect((await unfold.devices.list()).data).toEqual([]);
    const { key } = await unfold.keys.create({ name: 'first', scopes: ['admin'] });
    await expect(unfold.jobs.list()).rejects.toMatchObject({ status: 401, code: 'invalid_api_key' });
    const admitted = new Unfold({ baseUrl: api.url, apiKey: key ?? null });
    const keys = await collect(admitted.keys.all());
    expect(keys.map(({ name }) => name)).toEqual(['first']);
    await admitted.keys.delete(keys[0]!.id);
    expect(await unfold.ready()).toMatchObject({ status: 'ok' });
  });
});
