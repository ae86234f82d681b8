import { get, type IncomingHttpHeaders } from 'node:http';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Api, expectError, smallSpec, startApi, submit, upload } from './support.ts';
import { publish, trainModel } from './trained-model.ts';

let api: Api;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.stop());

interface Documented {
  paths: Record<string, Record<string, { parameters?: { name: string }[]; responses: object }>>;
}

describe('every route that creates', () => {
  it('takes an Idempotency-Key and says so', async () => {
    const document: Documented = (await api.request.get('/openapi.json')).body;
    const creating = Object.entries(document.paths)
      // A test event is asked for again on purpose.
      .filter(([path, { post }]) => post && '201' in post.responses && !path.endsWith('/test'))
      .map(([path, { post }]) => [path, post?.parameters?.map(({ name }) => name) ?? []] as const);
    expect(creating.length).toBeGreaterThan(3);
    for (const [path, names] of creating) expect(names, path).toContain('Idempotency-Key');
  });
});

describe('lists', () => {
  it('go both ways, page by page, each item once', async () => {
    const file = await upload(api);
    const ids: string[] = [];
    for (let count = 0; count < 5; count += 1)
      ids.push((await api.request.post('/v1/jobs').send(smallSpec(file))).body.id);
    const pagesOf = async (path: string, order: string): Promise<string[]> => {
      const seen: string[] = [];
      for (let more = true; more; ) {
        const after = seen.length === 0 ? {} : { after: seen.at(-1) };
        const { body } = await api.request.get(path).query({ limit: 2, order, ...after });
        expect(body).toMatchObject({ object: 'list' });
        seen.push(...body.data.map(({ id }: { id: string }) => id));
        more = body.has_more;
      }
      return seen;
    };
    expect(await pagesOf('/v1/jobs', 'asc')).toEqual(ids);
    expect(await pagesOf('/v1/jobs', 'desc')).toEqual([...ids].reverse());
    await publish(api, await trainModel(), 'writer');
    for (const path of ['/v1/files', '/v1/models', '/v1/fine_tuning/jobs'])
      expect((await pagesOf(path, 'asc')).reverse(), path).toEqual(await pagesOf(path, 'desc'));
    expectError(await api.request.get('/v1/jobs?order=up'), 400, 'invalid_value', 'order');
  });
});

describe('downloads', () => {
  const text = Array.from({ length: 1000 }, (_, index) => `${index}\n`).join('');
  const paths: { path: string; content: Buffer }[] = [];
  beforeAll(async () => {
    const trained = await trainModel();
    const { id } = await publish(api, trained, 'downloaded');
    paths.push(
      { path: `/v1/files/${await upload(api, text)}/content`, content: Buffer.from(text) },
      { path: `/v1/models/${id}/weights`, content: Buffer.from(trained.weights) },
    );
  });
  const ask = async (path: string, headers: Record<string, string> = {}, method = 'GET') => {
    const answer = await fetch(api.url + path, { method, headers });
    return { status: answer.status, headers: answer.headers, body: Buffer.from(await answer.arrayBuffer()) };
  };

  it('come whole, by one range, or not again, and HEAD tells their length', async () => {
    for (const { path, content } of paths) {
      const whole = await ask(path);
      expect(whole.status).toBe(200);
      expect(whole.body.equals(content)).toBe(true);
      expect(whole.headers.get('accept-ranges')).toBe('bytes');
      expect(whole.headers.get('content-encoding')).toBeNull();
      const etag = whole.headers.get('etag') ?? '';
      const head = await ask(path, {}, 'HEAD');
      expect([head.status, head.headers.get('content-length'), head.headers.get('etag')]).toEqual([
        200,
        String(content.length),
        etag,
      ]);
      for (const method of ['GET', 'HEAD'])
        expect((await ask(path, { 'if-none-match': etag }, method)).status).toBe(304);
      const size = content.length;
      for (const [range, start, end] of [
        ['bytes=0-0', 0, 1],
        ['bytes=10-19', 10, 20],
        [`bytes=${size - 5}-`, size - 5, size],
        ['bytes=-7', size - 7, size],
        [`bytes=5-${size + 100}`, 5, size],
      ] as const) {
        const part = await ask(path, { range });
        expect(part.status, range).toBe(206);
        expect(part.body.equals(content.subarray(start, end)), range).toBe(true);
        expect(part.headers.get('content-range')).toBe(`bytes ${start}-${end - 1}/${size}`);
        expect((await ask(path, { range, 'if-range': etag })).status).toBe(206);
        expect((await ask(path, { range, 'if-range': '"another"' })).status).toBe(200);
      }
      for (const range of ['bytes=1-2,5-6', 'lines=1-2', 'bytes=x-y'])
        expect((await ask(path, { range })).status, range).toBe(200);
      const beyond = await ask(path, { range: `bytes=${size}-` });
      expect(beyond.status).toBe(416);
      expect(beyond.headers.get('content-range')).toBe(`bytes */${size}`);
      expect(JSON.parse(beyond.body.toString()).error.code).toBe('range_not_satisfiable');
    }
  });

  it('of an empty file are empty', async () => {
    const path = `/v1/files/${await upload(api, '')}/content`;
    expect((await ask(path)).body.length).toBe(0);
    expect((await ask(path, { range: 'bytes=0-1' })).status).toBe(416);
  });

  it('the document is not sent to whoever has it', async () => {
    const { etag } = (await api.request.get('/openapi.json')).headers;
    expect(etag).toMatch(/^W\//);
    expect((await api.request.get('/openapi.json').set('if-none-match', etag as string)).status).toBe(304);
  });
});

describe('compression', () => {
  /** As it travels: `fetch` and its like would decode it. */
  const raw = (path: string, headers: Record<string, string>) =>
    new Promise<{ headers: IncomingHttpHeaders; body: Buffer }>((resolve, reject) => {
      get(api.url + path, { headers }, (answer) => {
        const chunks: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => chunks.push(chunk));
        answer.on('end', () => resolve({ headers: answer.headers, body: Buffer.concat(chunks) }));
      }).on('error', reject);
    });

  it('makes long text short for whoever asks, and nothing else', async () => {
    const plain = await raw('/openapi.json', { 'accept-encoding': 'identity' });
    expect(plain.headers['content-encoding']).toBeUndefined();
    for (const encoding of ['br', 'gzip']) {
      const short = await raw('/openapi.json', { 'accept-encoding': encoding });
      expect(short.headers['content-encoding']).toBe(encoding);
      expect(short.headers.vary).toContain('accept-encoding');
      expect(plain.body.length).toBeGreaterThan(4 * short.body.length);
    }
    expect((await raw('/health', { 'accept-encoding': 'gzip' })).headers['content-encoding']).toBeUndefined();
    const job = await submit(api);
    await api.request.post(`/v1/jobs/${job.id}/cancel`);
    const events = await raw(`/v1/jobs/${job.id}/events`, {
      'accept-encoding': 'gzip, br',
      accept: 'text/event-stream',
    });
    expect(events.headers['content-encoding']).toBeUndefined();
    const list = await raw('/v1/jobs?limit=100', { 'accept-encoding': 'gzip' });
    expect(JSON.parse(gunzipSync(list.body).toString())).toMatchObject({ object: 'list' });
  });
});

describe('a page of a configured origin', () => {
  it('may send whatever headers its client library adds, and read those that matter', async () => {
    const origin = 'https://page.example';
    const { url } = await api.another({ allowedOrigins: [origin] });
    const asked = 'authorization,content-type,idempotency-key,x-stainless-os,x-stainless-retry-count';
    const preflight = await fetch(`${url}/v1/completions`, {
      method: 'OPTIONS',
      headers: {
        origin,
        'access-control-request-method': 'POST',
        'access-control-request-headers': asked,
      },
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get('access-control-allow-headers')).toBe(asked);
    const answer = await fetch(`${url}/v1/jobs`, { headers: { origin } });
    for (const name of [
      'x-request-id',
      'retry-after',
      'x-ratelimit-remaining-requests',
      'idempotent-replayed',
    ])
      expect(answer.headers.get('access-control-expose-headers')).toContain(name);
  });
});

describe('/metrics', () => {
  it('answers what an operator asks of the queue and of inference, and labels nothing by job or model', async () => {
    await publish(api, await trainModel(), 'measured');
    const job = await submit(api);
    const { body } = await api.request
      .post('/v1/completions')
      .send({ model: 'measured', prompt: 'the cat', max_tokens: 5, n: 3, best_of: 3 });
    expect(body.choices).toHaveLength(3);
    const measured = async (): Promise<string> => (await api.request.get('/metrics')).text;
    // Threads tell their steps now and then.
    await expect.poll(measured).toMatch(/^unfold_inference_batch_rows_count [1-9]/m);
    const text = await measured();
    const numberOf = (name: string) =>
      Number(
        text
          .split('\n')
          .find((line) => line.startsWith(`${name} `))
          ?.slice(name.length + 1),
      );
    expect(numberOf('unfold_longest_wait_seconds')).toBeGreaterThan(0);
    expect(numberOf('unfold_models_loaded')).toBeGreaterThan(0);
    expect(numberOf('unfold_model_memory_bytes')).toBeGreaterThan(0);
    const rows = numberOf('unfold_inference_batch_rows_sum') / numberOf('unfold_inference_batch_rows_count');
    expect(rows).toBeGreaterThan(1);
    expect(text).not.toContain(job.id);
    expect(text).not.toContain(body.model);
  });
});
