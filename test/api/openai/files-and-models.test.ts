import { randomBytes } from 'node:crypto';
import OpenAI, { toFile } from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { waitFor } from '../../support/process.ts';
import { smallSpec } from '../support.ts';
import { publish, type Trained, trainModel } from '../trained-model.ts';
import { collect, failureOf, type OpenAiApi, startOpenAiApi } from './client.ts';

let api: OpenAiApi;
let client: OpenAI;
let trained: Trained;

beforeAll(async () => {
  trained = await trainModel();
  api = await startOpenAiApi({ timings: { reconcileMs: 500 } });
  client = api.client;
});
afterAll(async () => api.stop());

const create = async (text: string, purpose: OpenAI.FilePurpose = 'fine-tune'): Promise<string> =>
  (await client.files.create({ file: await toFile(Buffer.from(text), `${text}.txt`), purpose })).id;

const idsOf = async (list: AsyncIterable<{ id: string }>): Promise<string[]> =>
  (await collect(list)).map(({ id }) => id);

describe('files', () => {
  it('are uploaded, retrieved, waited for, read and deleted', async () => {
    const content = randomBytes(100_000);
    const file = await client.files.create({
      file: await toFile(content, 'grüße.bin'),
      purpose: 'user_data',
    });
    expect(file).toMatchObject({
      object: 'file',
      filename: 'grüße.bin',
      bytes: 100_000,
      purpose: 'user_data',
      status: 'processed',
    });
    expect(Math.abs(file.created_at - Date.now() / 1000)).toBeLessThan(60);
    expect(await client.files.retrieve(file.id)).toEqual(file);
    expect((await client.files.waitForProcessing(file.id)).id).toBe(file.id);
    const read = await client.files.content(file.id);
    expect(Buffer.from(await read.arrayBuffer()).equals(content)).toBe(true);
    expect(await client.files.delete(file.id)).toEqual({ id: file.id, object: 'file', deleted: true });
    expect(await failureOf(client.files.retrieve(file.id))).toBeInstanceOf(OpenAI.NotFoundError);
  });

  it('expire when the client asks for it', async () => {
    const create = (expires_after: OpenAI.FileCreateParams.ExpiresAfter) =>
      client.files.create({ file: new File(['abc'], 'a.txt'), purpose: 'batch', expires_after });
    const file = await create({ anchor: 'created_at', seconds: 3600 });
    expect(file.expires_at).toBe(file.created_at + 3600);
    expect(await client.files.retrieve(file.id)).toEqual(file);
    for (const seconds of [3599, 2_592_001, 7200.5])
      expect(await failureOf(create({ anchor: 'created_at', seconds }))).toMatchObject({
        status: 400,
        param: 'expires_after.seconds',
      });
    expect(await failureOf(create({ anchor: 'deleted_at' as 'created_at', seconds: 3600 }))).toMatchObject({
      status: 400,
      param: 'expires_after.anchor',
    });
    expect(await failureOf(create({ anchor: 'created_at' } as never))).toMatchObject({
      status: 400,
      param: 'expires_after.seconds',
    });
    expect(await idsOf(client.files.list({ purpose: 'batch' }))).toEqual([file.id]);
    await api.database.query(`UPDATE files SET expires_at = now() WHERE id = '${file.id}'`);
    await waitFor('the file to be gone', async () => {
      const ids = await idsOf(client.files.list({ purpose: 'batch' }));
      return ids.length === 0;
    });
  });

  it.each<OpenAI.FilePurpose>(['assistants', 'batch', 'fine-tune', 'vision', 'user_data', 'evals'])(
    'are taken for the purpose %s, and listed by it',
    async (purpose) => {
      const id = await create(`for ${purpose}`, purpose);
      const listed = await collect(client.files.list({ purpose }));
      expect(listed.map((file) => file.id)).toContain(id);
      expect(new Set(listed.map((file) => file.purpose))).toEqual(new Set([purpose]));
      expect(await idsOf(client.files.list({ purpose: 'batch_output' }))).toEqual([]);
      await client.files.delete(id);
    },
  );

  it('are listed in pages of any size, in both orders, from any file on', async () => {
    const made: string[] = [];
    for (const text of ['one', 'two', 'three', 'four', 'five']) made.push(await create(text, 'evals'));
    const newest = made.toReversed();
    for (const limit of [1, 2, 5, 10_000]) {
      expect(await idsOf(client.files.list({ limit, purpose: 'evals' }))).toEqual(newest);
      expect(await idsOf(client.files.list({ limit, purpose: 'evals', order: 'asc' }))).toEqual(made);
    }
    expect(await idsOf(client.files.list({ purpose: 'evals', after: newest[1]! }))).toEqual(newest.slice(2));
    const first = await client.files.list({ limit: 3, purpose: 'evals' });
    expect(first.hasNextPage()).toBe(true);
    const second = await first.getNextPage();
    expect(second.data.map(({ id }) => id)).toEqual(newest.slice(3));
    expect(second.hasNextPage()).toBe(false);
    // Deleting what is listed does not end the list.
    for await (const { id } of client.files.list({ limit: 2, purpose: 'evals' }))
      await client.files.delete(id);
    expect(await idsOf(client.files.list({ purpose: 'evals' }))).toEqual([]);
  });

  it('cannot be deleted while a job needs them, and the client does not try again in vain', async () => {
    let requests = 0;
    const counting = api.clientWith({
      maxRetries: 2,
      fetch: (...call) => {
        requests += 1;
        return fetch(...call);
      },
    });
    const file = await create('the cat sat on the mat. '.repeat(50));
    const job = await counting.post<{ id: string }>('/jobs', { body: smallSpec(file) });
    requests = 0;
    const failure = await failureOf(counting.files.delete(file));
    expect(failure).toBeInstanceOf(OpenAI.ConflictError);
    expect(failure).toMatchObject({ status: 409, code: 'in_use', type: 'conflict_error' });
    expect(requests).toBe(1);
    await counting.post(`/jobs/${job.id}/cancel`);
  });
});

describe('models', () => {
  it('are all listed at once, retrieved by id and by name, and deleted', async () => {
    const made: string[] = [];
    for (let k = 0; k < 25; k += 1) made.unshift((await publish(api, trained, k === 0 ? 'cats' : null)).id);
    expect(await idsOf(client.models.list())).toEqual(made);
    const [model] = (await client.models.list()).data;
    expect(model).toMatchObject({ object: 'model', owned_by: 'default' });
    expect(Math.abs(model!.created - Date.now() / 1000)).toBeLessThan(60);
    expect(await client.models.retrieve(model!.id)).toEqual(model);
    expect((await client.models.retrieve('cats')).id).toBe(made.at(-1));
    expect(await client.models.delete('cats')).toEqual({ id: made.at(-1), object: 'model', deleted: true });
    expect(await failureOf(client.models.retrieve('cats'))).toBeInstanceOf(OpenAI.NotFoundError);
  });
});

describe('errors', () => {
  it('become those of the client, with status, type, code, param and request id', async () => {
    const file = await toFile(Buffer.alloc(10), 'x');
    const noWeights = await create('no weights');
    const cases: [() => Promise<unknown>, abstract new (...given: never[]) => Error, object][] = [
      [
        () => client.completions.create({ model: 'dogs', prompt: '' }),
        OpenAI.NotFoundError,
        { status: 404, type: 'not_found_error', code: 'not_found', param: 'model' },
      ],
      [
        () => client.completions.create({ model: 'cats', prompt: '', n: 0 }),
        OpenAI.BadRequestError,
        { status: 400, type: 'invalid_request_error', code: 'invalid_value', param: 'n' },
      ],
      [
        () => client.files.create({ file, purpose: 'nothing' as 'batch' }),
        OpenAI.BadRequestError,
        { code: 'invalid_value', param: 'purpose' },
      ],
      [
        () => api.clientWith({ apiKey: 'wrong' }).models.list(),
        OpenAI.AuthenticationError,
        { status: 401, type: 'authentication_error', code: 'invalid_api_key', param: null },
      ],
      [
        () => client.post('/models', { body: { file: noWeights } }),
        OpenAI.UnprocessableEntityError,
        { status: 422, code: 'invalid_weights' },
      ],
    ];
    for (const [call, kind, shape] of cases) {
      const failure = (await failureOf(call())) as InstanceType<typeof OpenAI.APIError>;
      expect(failure).toBeInstanceOf(kind);
      expect(failure).toMatchObject(shape);
      expect(failure.requestID).toMatch(/^req-/);
      expect(failure.message).toContain((failure.error as { message: string }).message);
    }
    const { key } = await client.post<{ key: string }>('/keys', {
      body: { name: 'reader', scopes: ['read'] },
    });
    const reader = api.clientWith({ apiKey: key });
    expect(await failureOf(reader.completions.create({ model: 'cats', prompt: '' }))).toBeInstanceOf(
      OpenAI.PermissionDeniedError,
    );
  });

  it('come with the request id that good answers have, too', async () => {
    const { request_id, response } = await client.models.list().withResponse();
    expect(request_id).toMatch(/^req-/);
    expect(response.headers.get('x-request-id')).toBe(request_id);
    const chosen = await client.models.list({ headers: { 'x-request-id': 'mine-1' } }).withResponse();
    expect(chosen.request_id).toBe('mine-1');
    const id = await create('named');
    expect((await client.files.retrieve(id))._request_id).toMatch(/^req-/);
  });
});
