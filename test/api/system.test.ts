import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { estimateResource, type JobSpecInput, systemResource } from '@unfold/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { root } from '../support/process.ts';
import { programsOf, runSession, runTypeScript, sessionsOf } from '../support/sessions.ts';
import { type Api, claim, expectError, sampleText, smallSpec, startApi, submit, upload } from './support.ts';
import { publish, trainModel } from './trained-model.ts';

let api: Api;
beforeAll(async () => {
  api = await startApi({ limits: { sequenceLength: 20 } });
});
afterAll(async () => api.stop());

const system = async () => systemResource.parse((await api.request.get('/v1/system')).body);

/** A job that was trained for so long, as far as the store can tell, and the tokens that it took a second. */
const trained = async (
  parameters: number,
  seconds = 20,
  spec: Partial<JobSpecInput> = {},
): Promise<{ id: string; speed: number }> => {
  const { id } = await submit(api, spec);
  const owner = await claim(api, id);
  // The speed of a moment is not that of the run.
  const values = { tokens_per_second: 1 };
  const progress = { step: 4, total_steps: 4, epoch: 1, tokens: 6000, seconds: 9, share: 1, eta_seconds: 0 };
  await api.store.events.append(owner, [{ type: 'metric', step: 4, attempt: 1, values }], progress);
  const weights = await api.store.artifacts.write(`jobs/${id}/weights`, new Uint8Array(100));
  await api.store.jobs.finish(owner, {
    type: 'succeeded',
    checkpoint_id: null,
    parameters,
    vocabulary_size: 30,
    weights,
  });
  await api.database.query(
    'UPDATE jobs SET started_at = ended_at - make_interval(secs => $2) WHERE id = $1',
    [id, seconds],
  );
  return { id, speed: 6000 / seconds };
};

it('GET /v1/system counts what the project keeps and has to do', async () => {
  const before = await system();
  expect(before).toMatchObject({ project: 'default', scopes: ['read', 'train', 'infer', 'admin'] });
  expect(before.limits.sequence_length).toBe(20);
  expect(before.database_bytes).toBeGreaterThan(0);
  const job = await submit(api);
  const after = await system();
  expect(after.storage.files).toEqual({
    count: before.storage.files.count + 1,
    bytes: before.storage.files.bytes + sampleText.length,
  });
  expect(after.disk!.free_bytes).toBeGreaterThan(0);
  expect(after.jobs).toEqual({ ...before.jobs, queued: before.jobs.queued + 1 });
  expect(after.queue.waiting).toBe(before.queue.waiting + 1);
  await api.request.post(`/v1/jobs/${job.id}/cancel`);
});

it('an estimate tells the time from the closest of the jobs that were trained, or nothing', async () => {
  const spec = smallSpec(await upload(api));
  const ask = async (change: object = {}) => {
    const answer = await api.request.post('/v1/jobs/estimate').send({ ...spec, ...change });
    expect(answer.status).toBe(200);
    return estimateResource.parse(answer.body);
  };
  const first = await ask();
  expect(first).toMatchObject({ tokens: 4 * 2 * 16, seconds: null, measured_on: null });

  await trained(100 * first.parameters);
  expect((await ask()).seconds).toBeNull();
  const half = await trained(2 * first.parameters);
  const told = await ask();
  expect(told.measured_on).toMatchObject({ job_id: half.id, engine: 'reference' });
  expect(told.measured_on!.tokens_per_second / half.speed).toBeCloseTo(1, 6);
  expect((told.seconds! * 2 * half.speed) / first.tokens).toBeCloseTo(1, 6);
  const same = await trained(first.parameters);
  expect((await ask()).measured_on!.job_id).toBe(same.id);
  const longer = await trained(first.parameters, 40);
  await trained(first.parameters, 30);
  expect((await ask()).measured_on!.job_id).toBe(longer.id);

  expect((await ask({ engine: 'native' })).seconds).toBeNull();
  expect((await ask({ model: { cell: 'lstm', hidden_size: 8 } })).seconds).toBeNull();
  const wrong = { ...spec, training: { batch_size: 0 } };
  expectError(
    await api.request.post('/v1/jobs/estimate').send(wrong),
    400,
    'invalid_value',
    'training.batch_size',
  );
});

it('an estimate tells no time from a run that was mostly start-up, nor from another task', async () => {
  const records = await upload(
    api,
    '{"input":"fine","label":"good"}\n{"input":"dull","label":"bad"}\n'.repeat(20),
  );
  const model = { cell: 'elman', hidden_size: 8, num_layers: 1 } as const;
  const ask = async (change: Partial<JobSpecInput> = {}) => {
    const spec = smallSpec(await upload(api), { model, ...change });
    return estimateResource.parse((await api.request.post('/v1/jobs/estimate').send(spec)).body);
  };
  const { parameters } = await ask();
  await trained(parameters, 9, { model });
  expect(await ask()).toMatchObject({ seconds: null, measured_on: null });
  const long = await trained(parameters, 10, { model });
  // However many short ones have come since: they take nobody's place among those that are looked at.
  for (const [table, id] of [
    ['jobs', 'id'],
    ['job_heads', 'job_id'],
  ])
    await api.database.query(
      `INSERT INTO ${table} SELECT (jsonb_populate_record(of_long, jsonb_build_object('${id}', 'job-zz' || n))).*
       FROM ${table} AS of_long, generate_series(1, 100) n WHERE ${id} = $1`,
      [long.id],
    );
  await api.database.query("UPDATE jobs SET started_at = ended_at WHERE id LIKE 'job-zz%'");
  expect((await ask()).measured_on!.job_id).toBe(long.id);
  expect(await ask({ file: records, task: 'classification' })).toMatchObject({ seconds: null });
});

it('an estimate counts the vocabulary of a small file, and bounds that of a larger one', async () => {
  const ask = async (text: string, more: object = {}) => {
    const spec = smallSpec(await upload(api, text), more);
    const answer = await api.request.post('/v1/jobs/estimate').send(spec);
    return estimateResource.parse(answer.body);
  };
  const words = { text: { level: 'word' } };
  expect(await ask(sampleText)).toMatchObject({ exact: true, vocabulary_size: 1 + new Set(sampleText).size });
  expect(await ask(sampleText, words)).toMatchObject({ exact: true, vocabulary_size: 15 });
  const large = sampleText.repeat(300);
  expect(await ask(large)).toMatchObject({ exact: false, vocabulary_size: 129 });
  expect(await ask(large, { text: { level: 'byte' } })).toMatchObject({ exact: true, vocabulary_size: 256 });
});

describe('apps/api/OUTLOOK.md', () => {
  const read = () => readFile(join(root, 'apps/api/OUTLOOK.md'), 'utf8');
  beforeAll(async () => {
    await publish(api, await trainModel(), 'cats');
  });

  it('says what curl does', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'unfold-outlook-'));
    try {
      const output = await runSession([...sessionsOf(await read()).values()].join('\n'), api.url, folder);
      const kinds = [...output.matchAll(/^{"object":"([a-z.]+)"/gm)].map(([, kind]) => kind);
      expect(kinds).toEqual(['training.preview', 'training.estimate', 'activations', 'system']);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('says what TypeScript does', async () => {
    const printed = await runTypeScript([...programsOf(await read()).values()].join('\n'), api.url);
    expect(printed).toMatch(/^640 words, 15 different ones: \[ 'the', ' cat',/m);
    expect(printed).toMatch(/^\d+ parameters, /m);
    expect(printed).toMatch(/^0\.\d+ t -?\d\.\d h -?\d\.\d/m);
    expect(printed).toMatch(/^\d+ files, \d+ jobs waiting$/m);
  });
});
