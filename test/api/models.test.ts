import { modelResource } from '@unfold/contracts';
import { readHeader } from '@unfold/rnn';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Api, expectError, startApi, upload } from './support.ts';
import { publish, type Trained, trainModel, writeDirectly } from './trained-model.ts';

let api: Api;
let trained: Trained;

beforeAll(async () => {
  trained = await trainModel();
  api = await startApi();
});
afterAll(async () => api.stop());

const importFile = (file: string, more: object = {}) =>
  api.request.post('/v1/models').send({ file, ...more });

/** A safetensors file with any header over any bytes. */
const safetensors = (header: unknown, data = Buffer.alloc(0)): Buffer => {
  const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, data]);
};

describe('POST /v1/models', () => {
  it('makes a model of uploaded weights, which writes the same text', async () => {
    const file = await upload(api, Buffer.from(trained.weights));
    const answer = await importFile(file, { name: 'imported' });
    expect(answer.status).toBe(201);
    const model = modelResource.parse(answer.body);
    expect(model).toMatchObject({ name: 'imported', parameters: trained.model.parameters, job_id: null });
    await api.request.delete(`/v1/files/${file}`);
    const options = { prompt: 'the', max_tokens: 20, temperature: 0 };
    const written = await api.request.post('/v1/completions').send({ model: 'imported', ...options });
    expect(written.body.choices[0].text).toBe(await writeDirectly(trained.model, options));
  });

  it('gives the stored answer for the same Idempotency-Key', async () => {
    const file = await upload(api, Buffer.from(trained.weights));
    const post = (name: string) => importFile(file, { name }).set('idempotency-key', 'import-1');
    const first = await post('once');
    expect((await post('once')).body).toEqual(first.body);
    expectError(await post('twice'), 422, 'idempotency_mismatch');
  });

  it('refuses what is no model of ours, before it allocates anything', async () => {
    const huge = { dtype: 'F32', shape: [1_000_000, 1_000_000], data_offsets: [0, 4_000_000_000_000] };
    const bad: [string, Buffer][] = [
      ['text', Buffer.from('this is no safetensors file')],
      ['a few bytes', Buffer.from([1, 2, 3])],
      ['a header longer than the file', Buffer.from([255, 255, 0, 0, 0, 0, 0, 0, 123])],
      ['a header above the limit', Buffer.from([255, 255, 255, 255, 255, 255, 0, 0, 123, 125])],
      ['a header that is not JSON', safetensors('{"a":')],
      ['no metadata', safetensors({})],
      ['a tensor larger than the file', safetensors({ w: huge })],
      ['negative offsets', safetensors({ w: { dtype: 'F32', shape: [1], data_offsets: [-4, 0] } })],
      ['truncated weights', Buffer.from(trained.weights.subarray(0, trained.weights.length - 100))],
      [
        'a spec that is none',
        safetensors({ __metadata__: { spec: '{"model":{"hidden_size":-1}}', tokenizer: '{}' } }),
      ],
    ];
    for (const [name, bytes] of bad) {
      const answer = await importFile(await upload(api, bytes));
      expect([answer.status, answer.body.error?.code], name).toEqual([422, 'invalid_weights']);
    }
    expectError(await importFile(await upload(api, '')), 422, 'empty_file', 'file');
    expectError(await importFile(`file-${'0'.repeat(32)}`), 404, 'not_found', 'file');
    expectError(await importFile('x'), 400, 'invalid_value', 'file');
    expectError(
      await importFile(`file-${'0'.repeat(32)}`, { name: 'Not A Name' }),
      400,
      'invalid_value',
      'name',
    );
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY])(
    'refuses weights with %d, before they take the name',
    async (value) => {
      const bytes = Buffer.from(trained.weights);
      const { tensors, dataStart } = readHeader(bytes);
      const { begin } = tensors.get('rnn.weight_hh_l0')!;
      bytes.writeFloatLE(value, dataStart + begin + 8);
      const answer = await importFile(await upload(api, bytes), { name: 'endless' });
      expectError(answer, 422, 'invalid_weights');
      expect(answer.body.error.message).toContain('"rnn.weight_hh_l0"');
      expectError(await api.request.get('/v1/models/endless'), 404, 'not_found');
    },
  );

  it('refuses a model above the limit of this server', async () => {
    const small = await startApi({ limits: { modelParameters: 100 } });
    try {
      const file = await upload(small, Buffer.from(trained.weights));
      const answer = await small.request.post('/v1/models').send({ file });
      expect([answer.status, answer.body.error.type]).toEqual([422, 'invalid_request_error']);
    } finally {
      await small.stop();
    }
  });
});

describe('GET /v1/models', () => {
  it('lists newest first, and gives one by id and by name, where the newest wins', async () => {
    const older = await publish(api, trained, 'same-name');
    const newer = await publish(api, trained, 'same-name');
    const list = (await api.request.get('/v1/models?limit=2')).body;
    expect(list.data.map(({ id }: { id: string }) => id)).toEqual([newer.id, older.id]);
    expect(list.has_more).toBe(true);
    expect((await api.request.get('/v1/models/same-name')).body.id).toBe(newer.id);
    expect((await api.request.get(`/v1/models/${older.id}`)).body.id).toBe(older.id);
    await api.request.delete(`/v1/models/${newer.id}`);
    expect((await api.request.get('/v1/models/same-name')).body.id).toBe(older.id);
  });

  it('streams the weights as they are stored, with their sha256 as ETag', async () => {
    const model = await publish(api, trained, 'weights');
    const answer = await fetch(`${api.url}/v1/models/weights/weights`);
    expect(Buffer.from(await answer.arrayBuffer()).equals(trained.weights)).toBe(true);
    expect(answer.headers.get('content-length')).toBe(String(trained.weights.length));
    expect(answer.headers.get('etag')).toBe(`"${model.sha256}"`);
    const unchanged = await fetch(`${api.url}/v1/models/weights/weights`, {
      headers: { 'if-none-match': `"${model.sha256}"` },
    });
    expect(unchanged.status).toBe(304);
    const nobody = await api.request.get('/v1/models/nobody/weights');
    expectError(nobody, 404, 'not_found');
    expect(nobody.body.error.message).toBe('No model has the id or name "nobody".');
  });
});
