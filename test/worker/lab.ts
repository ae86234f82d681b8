import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Frame, type JobResource, type JobSpecInput, jobSpec } from '@unfold/contracts';
import { openQueue, type Queue } from '@unfold/queue';
import { openStore, type Store } from '@unfold/store';
import { expect } from 'vitest';
import { withDatabase } from '../support/postgres.ts';
import { type Program, startProgram, waitFor } from '../support/process.ts';
import { redisInstalled, startRedis, withoutRedis } from '../support/redis.ts';

export const project = 'default';

/** A store, a queue, and worker processes over both, as in production. */
export interface Lab {
  readonly store: Store;
  readonly queue: Queue;
  readonly dataDir: string;
  /** Starts a worker; resolves when it takes jobs. */
  startWorker(env?: Record<string, string>): Promise<Program>;
  /** The worker that was started last, also before it is ready. */
  lastWorker(): Program;
  upload(text: string): Promise<string>;
  submit(spec: JobSpecInput): Promise<JobResource>;
  job(id: string): Promise<JobResource>;
  frames(id: string): Promise<Frame[]>;
  /** As the API's routes do it. */
  request(id: string, action: 'pause' | 'cancel'): Promise<JobResource>;
  resume(id: string, change?: { epochs?: number; max_steps?: number }): Promise<void>;
  reaches(id: string, status: JobResource['status'], timeoutMs?: number): Promise<JobResource>;
  /** Waits until the job has trained at least so far. */
  reachesStep(id: string, step: number, timeoutMs?: number): Promise<JobResource>;
  /** Ends an endless run a little later, as if its spec had said so: pauses it, and gives it so many steps more than it has. */
  endSoon(id: string): Promise<JobResource>;
  /** Cancels what was submitted here and still runs or waits, so that no test finds the worker busy with another's job. */
  clear(): Promise<void>;
  close(): Promise<void>;
}

export interface LabAddress {
  databaseUrl: string;
  redisUrl: string | null;
}

export const queueKinds = [
  { kind: 'PostgreSQL', missing: null },
  { kind: 'Redis', missing: redisInstalled ? null : withoutRedis },
] as const;
export type QueueKind = (typeof queueKinds)[number]['kind'];

/** A lab at services that the caller owns. */
export const openLabAt = async ({ databaseUrl, redisUrl }: LabAddress): Promise<Lab> => {
  const dataDir = await mkdtemp(join(tmpdir(), 'unfold-worker-'));
  const store = await openStore({ databaseUrl, artifactsDir: join(dataDir, 'artifacts'), connections: 4 });
  const queue = await openQueue({ databaseUrl, redisUrl });
  const workers: Program[] = [];
  const submitted = new Set<string>();
  const job = (id: string): Promise<JobResource> => store.jobs.get(project, id);
  const is = (id: string, test: (job: JobResource) => boolean) => async (): Promise<JobResource | null> => {
    const now = await job(id).catch(() => null);
    return now && test(now) ? now : null;
  };
  const lab: Lab = {
    store,
    queue,
    dataDir,
    lastWorker: () => workers.at(-1)!,
    startWorker: async (env = {}) => {
      const worker = startProgram('apps/worker/dist/main.js', {
        env: {
          DATABASE_URL: databaseUrl,
          UNFOLD_DATA_DIR: dataDir,
          UNFOLD_MAX_DATABASE_CONNECTIONS: '3',
          ...(redisUrl === null ? {} : { REDIS_URL: redisUrl }),
          ...env,
        },
      });
      workers.push(worker);
      let over = false;
      void worker.ended.then(() => (over = true));
      // Long, since a test may start a worker before the servers that it waits for.
      const ready = (): boolean => {
        if (over) throw new Error(`The worker ended early:\n${worker.output()}`);
        return worker.output().includes('The worker is ready.');
      };
      await waitFor('the worker to be ready', ready, 120_000);
      return worker;
    },
    upload: async (text) => {
      const source = (async function* () {
        yield new TextEncoder().encode(text);
      })();
      const { resource } = await store.files.create(project, {
        filename: 'text.txt',
        purpose: 'training',
        upload: source,
        limit_bytes: 100_000_000,
      });
      return resource.id;
    },
    submit: async (spec) => {
      const { resource, enqueue } = await store.jobs.create(project, jobSpec.parse(spec));
      submitted.add(resource.id);
      if (enqueue) await queue.enqueue(enqueue);
      return resource;
    },
    job,
    frames: (id) => store.events.read(id, { limit: 100_000 }),
    request: async (id, action) => {
      const { job: changed, running, removed } = await store.jobs.request(project, id, action);
      if (running) await queue.broadcast({ job_id: id, action });
      if (removed) await queue.remove(removed);
      return changed;
    },
    resume: async (id, change) => {
      const { running, enqueue } = await store.jobs.resume(project, id, change);
      if (running) await queue.broadcast({ job_id: id, action: 'resume' });
      if (enqueue) await queue.enqueue(enqueue);
    },
    reaches: (id, status, timeoutMs = 40_000) =>
      waitFor(
        `${id} to be ${status}`,
        is(id, (now) => now.status === status),
        timeoutMs,
      ),
    reachesStep: (id, step, timeoutMs = 40_000) =>
      waitFor(
        `${id} to reach step ${step}`,
        is(id, (now) => now.progress.step >= step),
        timeoutMs,
      ),
    endSoon: async (id) => {
      await lab.request(id, 'pause');
      const { progress } = await lab.reaches(id, 'paused');
      await lab.resume(id, { max_steps: progress.step + 150 });
      return lab.reaches(id, 'succeeded', 60_000);
    },
    clear: async () => {
      for (const id of submitted) {
        const ended = async () => ['succeeded', 'failed', 'cancelled'].includes((await job(id)).status);
        // Refused where the job ended meanwhile, which is as good.
        if (!(await ended())) await lab.request(id, 'cancel').catch(() => undefined);
        await waitFor(`${id} to end`, ended, 60_000);
      }
      submitted.clear();
    },
    close: async () => {
      await Promise.all(workers.map((worker) => worker.stop()));
      await queue.close();
      await store.close();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
  return lab;
};

/** A lab with a database of its own, and a Redis of its own if asked for. */
export const openLab = async (kind: QueueKind): Promise<Lab> => {
  const database = await withDatabase();
  const redis = kind === 'Redis' ? await startRedis() : null;
  const lab = await openLabAt({ databaseUrl: database.databaseUrl, redisUrl: redis?.url ?? null });
  return {
    ...lab,
    close: async () => {
      await lab.close();
      await redis?.remove();
      await database.drop();
    },
  };
};

const words = 'the whale rose from a green sea and old men sang of salt rope wind tar'.split(' ');

/** So many words of nonsense, always the same. */
export const nonsense = (count: number): string => {
  let state = 7;
  return Array.from({ length: count }, () => {
    state = (state * 48_271) % 2_147_483_647;
    return words[state % words.length];
  }).join(' ');
};

/** Longer than any test waits, however fast the engine: such a job ends only when it is told to, by `cancel` or `endSoon`. */
export const endless = 1_000_000_000;

/** A network small enough that hundreds of steps take a second or two. */
export const smallSpec = (
  file: string,
  training: JobSpecInput['training'] = {},
  more: Partial<JobSpecInput> = {},
): JobSpecInput => ({
  file,
  name: 'small',
  model: { hidden_size: 16, num_layers: 1 },
  ...more,
  training: {
    max_steps: 200,
    epochs: 100_000,
    batch_size: 4,
    sequence_length: 16,
    log_every: 5,
    evaluate_every: 50,
    checkpoint_every: 20,
    // A sample is hundreds of steps of generation, more work than all the training between two of them. Other tasks may write none.
    ...(more.task === undefined && { sample_every: endless }),
    ...training,
  },
});

/** Trains a finished job's spec again, undisturbed, and expects the same weights and the same curve. */
export const expectAsUndisturbed = async (lab: Lab, id: string, story = ''): Promise<void> => {
  const { spec } = await lab.job(id);
  const whole = await lab.submit(spec);
  await lab.reaches(whole.id, 'succeeded', 60_000);
  expect(await weightsOf(lab, id), story).toEqual(await weightsOf(lab, whole.id));
  expect(await curveOf(lab, id), story).toEqual(await curveOf(lab, whole.id));
};

/** A curve without what depends on the clock. */
export const curveOf = async (lab: Lab, id: string) => {
  const { steps, series } = await lab.store.events.metrics(id);
  const { tokens_per_second: _speed, eta_seconds: _eta, ...kept } = series;
  return { steps, series: kept };
};

/** Files of the job that neither a checkpoint nor its model refers to. */
export const strayFiles = async (lab: Lab, id: string): Promise<string[]> => {
  const { data } = await lab.store.checkpoints.list(project, id, { limit: 100 });
  const { model_id } = await lab.job(id);
  const references = [...data.map((row) => row.id), ...(model_id ? [model_id] : [])];
  const known = await Promise.all(references.map((row) => lab.store.models.locate(project, row)));
  const root = `jobs/${id}`;
  const found = await readdir(lab.store.artifacts.absolute(root), { recursive: true }).catch(() => []);
  const files = found.filter((name) => name.includes('.')).map((name) => `${root}/${name}`);
  return files.filter((path) => !known.some((file) => file.path === path));
};

/** The bytes of the model that the job published. */
export const weightsOf = async (lab: Lab, id: string): Promise<Buffer> => {
  const { model_id } = await lab.job(id);
  if (model_id === null) throw new Error(`${id} published no model.`);
  const { path } = await lab.store.models.locate(project, model_id);
  return readFile(lab.store.artifacts.absolute(path));
};
