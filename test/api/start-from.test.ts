import { readFile } from 'node:fs/promises';
import { startWeightsPath } from '@unfold/store';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Api, expectError, smallSpec, startApi, upload } from './support.ts';
import { publish, type Trained, trainModel, trainWeights } from './trained-model.ts';

const model = { cell: 'gru' as const, hidden_size: 12, num_layers: 1 };

describe('a job with start_from', () => {
  let api: Api;
  let trained: Trained;
  let file: string;
  beforeAll(async () => {
    api = await startApi({});
    trained = await trainModel({ model });
    file = await upload(api);
  });
  afterAll(async () => api.stop());

  const post = (fields: object, path = '/v1/jobs') =>
    api.request.post(path).send({ ...smallSpec(file, { model }), ...fields });

  it('takes a name for the model that has it now, and keeps a copy of its weights', async () => {
    const { id } = await publish(api, trained, 'base');
    const answer = await post({ start_from: { model: 'base', freeze: ['layers.0'] } });
    expect(answer.status).toBe(201);
    expect(answer.body.spec.start_from).toEqual({ model: id, freeze: ['layers.0'], reset: [] });
    expect((await api.request.delete(`/v1/models/${id}`)).status).toBe(200);
    const path = api.store.artifacts.absolute(startWeightsPath(answer.body.id));
    expect(new Uint8Array(await readFile(path))).toEqual(new Uint8Array(trained.weights));
  });

  it('takes an imported file', async () => {
    const weights = await api.request
      .post('/v1/files')
      .field('purpose', 'model')
      .attach('file', Buffer.from(trained.weights), 'model.safetensors');
    const imported = await api.request.post('/v1/models').send({ file: weights.body.id, name: 'imported' });
    expect(imported.status).toBe(201);
    expect((await post({ start_from: { model: imported.body.id } })).status).toBe(201);
  });

  it('is refused if there is no such model in the project', async () => {
    expectError(await post({ start_from: { model: 'nobody' } }), 404, 'not_found', 'start_from.model');
    const { id } = await publish(api, trained, null);
    await api.store.models.remove('default', id);
    expectError(await post({ start_from: { model: id } }), 404, 'not_found', 'start_from.model');
  });

  it.each(['/v1/jobs', '/v1/jobs/estimate'])(
    'is refused by %s if it does not fit, naming the fields',
    async (path) => {
      const { id } = await publish(api, trained, null);
      const start_from = { model: id };
      const wider = await post({ start_from, model: { ...model, hidden_size: 16 } }, path);
      expectError(wider, 422, 'impossible_with_data', 'model.hidden_size');
      const deeper = await post({ start_from, model: { ...model, num_layers: 2 } }, path);
      expectError(deeper, 422, 'impossible_with_data', 'model.num_layers');
      const words = await post({ start_from, text: { level: 'word' } }, path);
      expectError(words, 422, 'impossible_with_data', 'text.level');
      expectError(await post({ start_from: { model: id, freeze: ['layer 1'] } }, path), 400, 'invalid_value');
    },
  );

  it.each(['/v1/jobs', '/v1/jobs/estimate'])(
    'is refused by %s if what it reads is of another kind or width',
    async (path) => {
      const labels = (input: unknown) =>
        ['a', 'b'].flatMap((label) => [1, 2].map(() => JSON.stringify({ input, label }))).join('\n');
      const task = 'classification' as const;
      const training = { max_steps: 1, batch_size: 2 };
      const pairs = await trainWeights(labels([[1, 2]]), { task, model, training });
      const { id } = await publish(api, pairs, null);
      const ask = async (input: unknown) =>
        post({ task, file: await upload(api, labels(input)), training, start_from: { model: id } }, path);
      for (const other of [[[1, 2, 3]], ['x', 'y'], 'xy']) {
        const error = expectError(await ask(other), 422, 'impossible_with_data', 'start_from.model');
        expect(error.message).toContain('vectors of 2 numbers');
      }
      expect((await ask([[3, 4]])).ok).toBe(true);
    },
  );

  it('leaves nothing behind when it is refused after all', async () => {
    const { id } = await publish(api, trained, 'again');
    const key = { 'idempotency-key': 'start-once' };
    const body = { ...smallSpec(file, { model }), start_from: { model: id } };
    const send = () => api.request.post('/v1/jobs').set(key).send(body);
    const [one, two] = await Promise.all([send(), send()]);
    const [first] = [one, two].filter(({ status }) => status === 201);
    expect(first).toBeDefined();
    const again = await send();
    expect(again.body.id).toBe(first!.body.id);
    await readFile(api.store.artifacts.absolute(startWeightsPath(first!.body.id)));
  });
});
