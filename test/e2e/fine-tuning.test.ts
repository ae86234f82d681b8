import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type TestDatabase, withDatabase } from '../support/postgres.ts';
import { root, waitFor } from '../support/process.ts';
import { reaches, type Service, startDistributedService, submit, upload } from '../support/service.ts';
import { programsOf, runSession, runTypeScript, sessionsOf } from '../support/sessions.ts';

const text = (animal: string): string =>
  `the ${animal} sat on the mat, and the dog lay by the fog.\n`.repeat(60);

describe('fine-tuning through OpenAI’s client, with a worker at work', { timeout: 120_000 }, () => {
  let database: TestDatabase;
  let service: Service;
  let client: OpenAI;
  let base: string;
  let file: string;

  beforeAll(async () => {
    database = await withDatabase();
    service = await startDistributedService({
      databaseUrl: database.databaseUrl,
      redisUrl: null,
      workers: 1,
      env: {
        UNFOLD_WEBHOOK_PRIVATE_HOSTS: '127.0.0.1',
        UNFOLD_ENCRYPTION_KEY: 'a key for the secrets of webhooks',
      },
    });
    client = new OpenAI({ baseURL: `${service.url}/v1`, apiKey: 'none', maxRetries: 0 });
    file = await upload(service, text('cat'));
    const { id } = await submit(service, {
      name: 'cats',
      file,
      model: { cell: 'gru', hidden_size: 24, num_layers: 1 },
      training: { max_steps: 60, batch_size: 8, sequence_length: 16, optimizer: { learning_rate: 0.02 } },
    });
    base = (await reaches(service, id, ['succeeded'])).model_id!;
  }, 120_000);
  afterAll(async () => {
    await service?.stop();
    await database?.drop();
  }, 60_000);

  const { jobs } = { jobs: () => client.fineTuning.jobs };
  const ends = (id: string, statuses: string[]) =>
    waitFor(`${id} to be ${statuses.join(' or ')}`, async () => {
      const job = await jobs().retrieve(id);
      return statuses.includes(job.status) ? job : null;
    });

  it('trains a model further: the job, its events, its checkpoints, and a model that writes', async () => {
    const created = await jobs().create({
      model: 'cats',
      training_file: await upload(service, text('cow')),
      suffix: 'cows',
      seed: 7,
      metadata: { herd: 'one' },
      method: { type: 'supervised', supervised: { hyperparameters: { n_epochs: 4, batch_size: 'auto' } } },
    });
    expect(created).toMatchObject({
      object: 'fine_tuning.job',
      model: base,
      seed: 7,
      fine_tuned_model: null,
      finished_at: null,
      trained_tokens: null,
      error: null,
      result_files: [],
      integrations: [],
      metadata: { herd: 'one' },
      hyperparameters: { n_epochs: 4, batch_size: 8, learning_rate_multiplier: 1 },
    });
    expect(created.method?.supervised?.hyperparameters).toEqual(created.hyperparameters);

    const job = await ends(created.id, ['succeeded', 'failed']);
    expect(job).toMatchObject({ status: 'succeeded', error: null, organization_id: 'default' });
    expect(job.trained_tokens).toBeGreaterThan(0);
    expect(job.finished_at).toBeGreaterThanOrEqual(job.created_at);
    const written = async (model: string) =>
      (await client.completions.create({ model, prompt: 'the c', max_tokens: 6, temperature: 0 })).choices[0]
        ?.text;
    expect(await written('cats')).toBe('at sat');
    expect(await written(job.fine_tuned_model!)).toBe('ow sat');
    expect(await written('cows')).toBe('ow sat');

    const events: OpenAI.FineTuning.FineTuningJobEvent[] = [];
    for await (const event of jobs().listEvents(job.id, { limit: 3 })) events.push(event);
    expect(events[0]).toMatchObject({ object: 'fine_tuning.job.event', level: 'info', type: 'message' });
    expect(events[0]?.message).toMatch(/successfully completed/);
    expect(events.at(-1)?.message).toBe('The job is queued.');
    expect(new Set(events.map(({ id }) => id)).size).toBe(events.length);
    const metrics = events.filter(({ type }) => type === 'metrics');
    expect(metrics.some(({ data }) => (data as { train_loss?: number }).train_loss! > 0)).toBe(true);
    expect(metrics.some(({ data }) => (data as { full_valid_loss?: number }).full_valid_loss! > 0)).toBe(
      true,
    );

    const checkpoints: OpenAI.FineTuning.Jobs.FineTuningJobCheckpoint[] = [];
    for await (const row of jobs().checkpoints.list(job.id, { limit: 1 })) checkpoints.push(row);
    expect(checkpoints.length).toBeGreaterThan(1);
    const [last] = checkpoints;
    expect(last).toMatchObject({ object: 'fine_tuning.job.checkpoint', fine_tuning_job_id: job.id });
    expect(last?.metrics.step).toBe(last?.step_number);
    expect(last?.metrics.train_loss).toBeGreaterThan(0);
    expect(last?.metrics.full_valid_loss).toBeGreaterThan(0);
    expect(await written(last!.fine_tuned_model_checkpoint)).toBe('ow sat');
    const again = await jobs().create({
      model: last!.fine_tuned_model_checkpoint,
      training_file: file,
      hyperparameters: { n_epochs: 1 },
    });
    expect((await ends(again.id, ['succeeded', 'failed'])).status).toBe('succeeded');
  });

  it('pauses, resumes and cancels a running job', async () => {
    const { id } = await jobs().create({
      model: base,
      training_file: file,
      hyperparameters: { n_epochs: 100_000, learning_rate_multiplier: 0.1 },
    });
    await ends(id, ['running']);
    await waitFor('an estimate', async () => (await jobs().retrieve(id)).estimated_finish);
    await jobs().pause(id);
    await ends(id, ['paused']);
    expect((await jobs().resume(id)).status).toBe('queued');
    await ends(id, ['running']);
    await jobs().cancel(id);
    const cancelled = await ends(id, ['cancelled']);
    expect(cancelled).toMatchObject({ fine_tuned_model: null, error: null });
    expect(cancelled.hyperparameters.learning_rate_multiplier).toBe(0.1);
    const { data } = await jobs().listEvents(id);
    expect(data[0]?.message).toBe('The job was cancelled.');
    expect(data.map(({ message }) => message)).toContain('Training goes on, attempt 2.');
    await expect(jobs().pause(id)).rejects.toMatchObject({ status: 409, code: 'wrong_state' });
  });

  const runCurl = async (document: string, name: string): Promise<string> => {
    const folder = await mkdtemp(join(tmpdir(), 'unfold-tune-'));
    try {
      return await runSession(sessionsOf(document).get(name)!, service.url, folder);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  };

  it('is what apps/api/FINE_TUNING.md says, with curl and in TypeScript', async () => {
    const document = await readFile(join(root, 'apps/api/FINE_TUNING.md'), 'utf8');
    const output = await runCurl(document, 'tune');
    expect(output.match(/"status":"succeeded"/g)?.length).toBeGreaterThanOrEqual(3);
    expect(output).toContain('"metadata":{"herd":"one"}');
    expect(output).toContain('"object":"fine_tuning.job.checkpoint"');
    expect(output).toContain('"text":"ow sat"');
    const printed = await runTypeScript(programsOf(document).get('tune')!, service.url);
    expect(printed).toContain('info The job has successfully completed');
    expect(printed).toMatch(/^\d+ \d\S* ckpt-/m);
    expect(printed).toMatch(/owl sat\n$/);
  });

  it('tells webhooks of its end, as apps/api/WEBHOOKS.md says, with curl and in TypeScript', async () => {
    const document = await readFile(join(root, 'apps/api/WEBHOOKS.md'), 'utf8');
    const output = await runCurl(document, 'hooks');
    expect(output).toMatch(/"attempts":1,"response_status":null,"error":"connect ECONNREFUSED/);
    expect(output).toContain('"enabled":false');
    expect(output).toMatch(/"secret":"whsec_/);
    expect(output).toMatch(/"object":"webhook_endpoint","deleted":true/);
    const printed = await runTypeScript(programsOf(document).get('hooks')!, service.url);
    expect(printed).toMatch(/^training\.job\.running job-/m);
    expect(printed).toMatch(/^fine_tuning\.job\.succeeded job-/m);
  });

  it('shares its service with what apps/api/OPENAI.md says, with curl and in TypeScript', async () => {
    const document = await readFile(join(root, 'apps/api/OPENAI.md'), 'utf8');
    const output = await runCurl(document, 'openai');
    expect(output).toContain('the cat sat on the mat, and the dog lay by the fog.\n');
    expect(output).toContain('"status":"succeeded"');
    const answers = output.split('\n').flatMap((line) => (line.startsWith('{') ? [JSON.parse(line)] : []));
    const completions = answers.filter(({ object }) => object === 'text_completion');
    expect(completions.map(({ choices }) => choices.length)).toEqual([1, 6, 1, 2, 1, 1]);
    expect(completions[0].choices[0]).toMatchObject({ finish_reason: 'stop' });
    expect(completions[4].choices[0].logprobs.tokens).toEqual([...'the cat']);
    const events = [...output.matchAll(/^data: (.*)$/gm)].map(([, data]) => data!);
    expect(events.at(-1)).toBe('[DONE]');
    expect(JSON.parse(events.at(-2)!)).toMatchObject({ choices: [], usage: { completion_tokens: 8 } });
    const printed = await runTypeScript(programsOf(document).get('openai')!, service.url);
    expect(printed).toContain('file text.txt 9\n');
    expect(printed).toContain('content some text\ndeleted true\n');
    expect(printed.match(/^choice \d .*length$/gm)).toHaveLength(4);
    expect(printed).toMatch(/^streamed ".{40,}"$/m);
    expect(printed).toMatch(/error 404 not_found model req-\w+\n$/);
  });
});
