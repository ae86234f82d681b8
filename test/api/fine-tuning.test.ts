import { fineTuningJob } from '@unfold/contracts';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Api,
  append,
  claim,
  expectError,
  metric,
  sampleText,
  startApi,
  submit,
  upload,
} from './support.ts';
import { publish, type Trained, trainModel, trainWeights } from './trained-model.ts';

const path = '/v1/fine_tuning/jobs';

describe('/v1/fine_tuning/jobs', () => {
  let api: Api;
  let client: OpenAI;
  let trained: Trained;
  let base: string;
  let file: string;
  beforeAll(async () => {
    api = await startApi();
    client = new OpenAI({ baseURL: `${api.url}/v1`, apiKey: 'none', maxRetries: 0 });
    trained = await trainModel({ text: { level: 'word' } });
    base = (await publish(api, trained, 'base')).id;
    file = await upload(api);
  });
  afterAll(async () => api.stop());

  const create = (more: object = {}) =>
    api.request.post(path).send({ model: 'base', training_file: file, ...more });

  it('makes a training job of the starting model’s network, seen from both sides', async () => {
    const { body } = await create({ suffix: 'new', seed: 3, metadata: { a: 'b' }, integrations: null });
    expect(fineTuningJob.strict().parse(body)).toEqual(body);
    const job = (await api.request.get(`/v1/jobs/${body.id}`)).body;
    expect(job).toMatchObject({ name: 'new', metadata: { a: 'b' } });
    expect(job.spec).toMatchObject({
      file,
      seed: 3,
      text: trained.spec.text,
      model: trained.spec.model,
      start_from: { model: base, freeze: [], reset: [] },
      training: { sequence_length: 16, max_steps: null },
    });
    const plain = await submit(api);
    const seen = (await api.request.get(`${path}/${plain.id}`)).body;
    expect(seen).toMatchObject({
      id: plain.id,
      model: 'gru',
      status: 'queued',
      training_file: plain.spec.file,
    });
    expect(seen.hyperparameters).toEqual({ n_epochs: 10, batch_size: 2 });
    expect(fineTuningJob.strict().parse(seen)).toEqual(seen);
  });

  it('draws a seed where none is given', async () => {
    const seeds = await Promise.all([create(), create({ seed: null })]);
    expect(seeds[0]!.body.seed).not.toBe(seeds[1]!.body.seed);
  });

  it('chooses by the size of the data what is left to "auto"', async () => {
    const records = (count: number) =>
      Array.from({ length: count }, (_, k) =>
        JSON.stringify({ input: `name ${k}`, label: k % 2 ? 'a' : 'b' }),
      ).join('\n');
    const training = {
      max_steps: 3,
      batch_size: 64,
      validation_fraction: 0,
      optimizer: { learning_rate: 0.01 },
    };
    await publish(api, await trainWeights(records(100), { task: 'classification', training }), 'namer');
    const choose = async (count: number, hyperparameters: object = {}) => {
      const training_file = await upload(api, records(count));
      const answer = await create({ model: 'namer', training_file, hyperparameters });
      return answer.body.hyperparameters;
    };
    // 64 is halved until an epoch has 16 steps; three epochs, or as many as give 300 steps, at most 25.
    expect(await choose(40)).toEqual({ batch_size: 2, n_epochs: 15, learning_rate_multiplier: 0.177 });
    expect(await choose(1024)).toEqual({ batch_size: 64, n_epochs: 19, learning_rate_multiplier: 1 });
    expect(await choose(20_000)).toEqual({ batch_size: 64, n_epochs: 3, learning_rate_multiplier: 1 });
    expect(await choose(40, { batch_size: 8, learning_rate_multiplier: 0.5 })).toEqual({
      batch_size: 8,
      n_epochs: 25,
      learning_rate_multiplier: 0.5,
    });
  });

  it.each([
    [{ model: 'nobody' }, 404, 'not_found', 'model'],
    [{ training_file: `file-${'0'.repeat(32)}` }, 404, 'not_found', 'training_file'],
    [{ validation_file: `file-${'0'.repeat(32)}` }, 404, 'not_found', 'validation_file'],
    [{ training_file: undefined }, 400, 'missing_field', 'training_file'],
    [{ suffix: 'Not A Name' }, 400, 'invalid_value', 'suffix'],
    [{ seed: -1 }, 400, 'invalid_value', 'seed'],
    [{ hyperparameters: { n_epochs: 0 } }, 400, 'invalid_value', 'hyperparameters.n_epochs'],
    [{ hyperparameters: { n_epochs: 'many' } }, 400, 'invalid_value', 'hyperparameters.n_epochs'],
    [{ hyperparameters: { beta: 1 } }, 400, 'unknown_field', 'hyperparameters.beta'],
    [
      { hyperparameters: {}, method: { type: 'supervised', supervised: { hyperparameters: {} } } },
      400,
      'invalid_value',
      'hyperparameters',
    ],
    [{ method: { type: 'dpo' } }, 400, 'invalid_value', 'method.type'],
    [{ integrations: [{ type: 'wandb' }] }, 400, 'invalid_value', 'integrations'],
    [{ metadata: { a: 1 } }, 400, 'invalid_value', 'metadata.a'],
    [
      { hyperparameters: { learning_rate_multiplier: 1000, n_epochs: 1, batch_size: 1 }, model: 'fast' },
      400,
      'invalid_value',
      'hyperparameters.learning_rate_multiplier',
    ],
  ])('refuses %j', async (change, status, code, param) => {
    if ('model' in change && change.model === 'fast') {
      const training = { max_steps: 1, batch_size: 4, sequence_length: 16, optimizer: { learning_rate: 1 } };
      await publish(api, await trainWeights(sampleText, { training }), 'fast');
    }
    const { body } = await api.request.get(`${path}?limit=1`);
    expectError(await create(change), status, code, param);
    expect((await api.request.get(`${path}?limit=1`)).body).toEqual(body);
  });

  it('says in its own fields’ names what does not fit the data', async () => {
    const short = expectError(
      await create({ training_file: await upload(api, 'hi') }),
      422,
      'text_too_short',
      'training_file',
    );
    expect(short.message).toMatch(/^training_file: /);
  });

  it('answers a repetition with the job that was made, even when the model is gone', async () => {
    const { id } = await publish(api, trained, 'gone');
    const send = (body = {}) =>
      api.request
        .post(path)
        .set('idempotency-key', 'tune-once')
        .send({ model: 'gone', training_file: file, ...body });
    const first = await send();
    await api.request.delete(`/v1/models/${id}`);
    const again = await send();
    expect(again.headers['idempotent-replayed']).toBe('true');
    expect(again.body).toMatchObject({ id: first.body.id, seed: first.body.seed });
    expectError(await send({ seed: 1 }), 422, 'idempotency_mismatch');
  });

  it('lists page by page, by labels, and those without any', async () => {
    const labelled: string[] = [];
    for (const k of ['1', '2', '3'])
      labelled.unshift((await create({ metadata: { shelf: 'top', k } })).body.id);
    const listed = async (query: OpenAI.FineTuning.JobListParams) => {
      const ids: string[] = [];
      for await (const { id } of client.fineTuning.jobs.list(query)) ids.push(id);
      return ids;
    };
    expect(await listed({ limit: 2, metadata: { shelf: 'top' } })).toEqual(labelled);
    expect(await listed({ metadata: { shelf: 'top', k: '2' } })).toEqual([labelled[1]]);
    const bare = await listed({ limit: 100, metadata: null });
    expect(bare.length).toBeGreaterThan(0);
    expect(bare.filter((id) => labelled.includes(id))).toEqual([]);
    expect(
      (await api.request.get(`${path}?metadata=null&limit=100`)).body.data.map(
        (job: { id: string }) => job.id,
      ),
    ).toEqual(bare);
    expectError(await api.request.get(`${path}?after=job-unknown`), 400, 'invalid_value', 'after');
    expectError(await api.request.get(`${path}?after=`), 400, 'invalid_value', 'after');
  });

  it('tells the event log newest first, in pages, with levels and metrics', async () => {
    const { id } = (await create()).body;
    const owner = await claim(api, id);
    await append(api, owner, [
      metric(1),
      { type: 'metric', step: 2, attempt: 1, values: { validation_loss: 2, loss: null } },
      { type: 'log', level: 'warning', message: 'careful' },
      { type: 'sample', step: 2, text: 'once' },
    ]);
    await api.store.jobs.finish(owner, {
      type: 'failed',
      error: { code: 'diverged', message: 'The loss became infinite.', param: null },
    });
    const events: OpenAI.FineTuning.FineTuningJobEvent[] = [];
    for await (const event of client.fineTuning.jobs.listEvents(id, { limit: 2 })) events.push(event);
    expect(events.map(({ level, type, message }) => [level, type, message])).toEqual([
      ['error', 'message', 'The job has failed: The loss became infinite.'],
      ['info', 'message', 'Sample at step 2: once'],
      ['warn', 'message', 'careful'],
      ['info', 'metrics', 'Step 2: training loss=not finite, validation loss=2.0000'],
      ['info', 'metrics', 'Step 1: training loss=3.0000'],
      ['info', 'message', 'Training has started.'],
      ['info', 'message', 'The job is queued.'],
    ]);
    expect(events[3]?.data).toEqual({ step: 2, valid_loss: 2, full_valid_loss: 2 });
    expect(await client.fineTuning.jobs.retrieve(id)).toMatchObject({
      status: 'failed',
      error: { code: 'diverged', message: 'The loss became infinite.', param: null },
    });
    const other = (await create()).body.id;
    for (const after of [events[0]!.id.replace(/\d+$/, '99'), 'ftevent-1', `ftevent-${other.slice(4)}-1`])
      expectError(
        await api.request.get(`${path}/${id}/events?after=${after}`),
        400,
        'invalid_value',
        'after',
      );
  });

  it('knows no job of another project, and no id that is none', async () => {
    for (const id of ['ftjob-abc', `job-${'0'.repeat(32)}`])
      for (const rest of ['', '/events', '/checkpoints'])
        expectError(await api.request.get(`${path}/${id}${rest}`), 404, 'not_found', 'id');
  });
});
