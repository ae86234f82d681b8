import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildApi, type Timings } from '@unfold/api';
import { type Config, readConfig } from '@unfold/config';
import type { ErrorEnvelope, FrameBody, JobResource, JobSpecInput } from '@unfold/contracts';
import { openQueue, type Queue } from '@unfold/queue';
import { type Claim, openStore, type Store } from '@unfold/store';
import type { FastifyInstance } from 'fastify';
import supertest from 'supertest';
import { expect } from 'vitest';
import { type Gateway, openGateway } from '../support/gateway.ts';
import { type TestDatabase, withDatabase } from '../support/postgres.ts';
import { type RedisServer, redisInstalled, startRedis } from '../support/redis.ts';

export type QueueKind = 'PostgreSQL' | 'Redis';

/** Both stores that the queue runs on; Redis only where it is installed. */
export const queueKinds: QueueKind[] = redisInstalled ? ['PostgreSQL', 'Redis'] : ['PostgreSQL'];

export interface Api {
  app: FastifyInstance;
  url: string;
  config: Config;
  store: Store;
  queue: Queue;
  database: TestDatabase;
  redis: RedisServer | null;
  /** The way from the API to PostgreSQL, to be cut. */
  gateway: Gateway;
  request: ReturnType<typeof supertest>;
  /** Another process's API, so to speak: a second server on the same store and queue. */
  another(change?: Partial<Config>): Promise<{ app: FastifyInstance; url: string }>;
  stop(): Promise<void>;
}

export interface ApiChange {
  queue?: QueueKind;
  config?: Partial<Config>;
  limits?: Partial<Config['limits']>;
  timings?: Partial<Timings>;
  pageDir?: string;
}

const listen = async (app: FastifyInstance): Promise<string> => app.listen({ host: '127.0.0.1', port: 0 });

/** A real API on a free port: PostgreSQL, queue, inference threads, everything. */
export const startApi = async (change: ApiChange = {}): Promise<Api> => {
  const dataDir = await mkdtemp(join(tmpdir(), 'unfold-api-'));
  const database = await withDatabase();
  const direct = new URL(database.databaseUrl);
  const gateway = await openGateway(() => Number(direct.port || 5432));
  const through = new URL(direct);
  through.host = `127.0.0.1:${gateway.port}`;
  const databaseUrl = through.href;
  const redis = change.queue === 'Redis' ? await startRedis() : null;
  const base = readConfig({
    UNFOLD_DATA_DIR: dataDir,
    LOG_LEVEL: 'silent',
    PORT: '0',
    UNFOLD_ENGINE: 'reference',
  });
  const config: Config = {
    ...base,
    databaseUrl,
    redisUrl: redis?.url ?? null,
    // Which thread answers is no matter of chance then, and a server starts in less time.
    inferenceThreads: 1,
    ...change.config,
    limits: { ...base.limits, databaseConnections: 5, ...change.limits },
  };
  const store = await openStore({
    databaseUrl,
    artifactsDir: config.artifactsDir,
    connections: config.limits.databaseConnections,
    queueDepth: config.limits.queueDepth,
    encryptionKey: config.encryptionKey,
    sessionLimits: { perKey: config.limits.sessionsPerKey, snapshots: config.limits.snapshotsPerSession },
    migrate: false,
  });
  const queue = await openQueue({ redisUrl: config.redisUrl, databaseUrl });
  const timings = { headsMs: 200, ...change.timings };
  const app = await buildApi({ config, store, queue, timings, pageDir: change.pageDir });
  const url = await listen(app);
  const others: FastifyInstance[] = [];
  return {
    app,
    url,
    config,
    store,
    queue,
    database,
    redis,
    gateway,
    request: supertest(url),
    async another(extra = {}) {
      const other = await buildApi({ config: { ...config, ...extra }, store, queue, timings });
      others.push(other);
      return { app: other, url: await listen(other) };
    },
    async stop() {
      for (const other of [app, ...others]) await other.close();
      await queue.close();
      await store.close();
      await redis?.remove();
      await gateway.close();
      await database.drop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
};

export const sampleText = 'the cat sat on the mat, and the dog lay by the fog.\n'.repeat(40);

/** Uploads a text; answers its file id. */
export const upload = async (
  api: Pick<Api, 'request'>,
  text: string | Buffer = sampleText,
): Promise<string> => {
  const answer = await api.request
    .post('/v1/files')
    .field('purpose', 'training')
    .attach('file', Buffer.from(text), 'text.txt');
  expect(answer.body).toMatchObject({ object: 'file' });
  return answer.body.id;
};

export const smallSpec = (file: string, more: Partial<JobSpecInput> = {}): JobSpecInput => ({
  file,
  model: { cell: 'gru', hidden_size: 8, num_layers: 1 },
  training: { max_steps: 4, batch_size: 2, sequence_length: 16 },
  ...more,
});

/** Uploads a text and posts a job for it. */
export const submit = async (
  api: Pick<Api, 'request'>,
  more: Partial<JobSpecInput> = {},
): Promise<JobResource> => {
  const answer = await api.request.post('/v1/jobs').send(smallSpec(await upload(api), more));
  expect(answer.body).toMatchObject({ object: 'training.job' });
  return answer.body;
};

/** Plays the worker: claims a job, so that frames can be appended. */
export const claim = async (api: Api, jobId: string): Promise<Claim> => {
  const claimed = await api.store.jobs.claim(jobId, { worker: 'test', engines: ['reference'] });
  if (claimed === null) throw new Error(`${jobId} could not be claimed`);
  return claimed.claim;
};

/** Appends frames as a worker does, and announces them unless told to keep quiet. */
export const append = async (
  api: Api,
  owner: Claim,
  bodies: FrameBody[],
  { announced = true } = {},
): Promise<number> => {
  const appended = await api.store.events.append(owner, bodies);
  if (appended === null) throw new Error('fenced off');
  if (announced) await api.queue.announce({ job_id: owner.job_id, seq: appended.head });
  return appended.head;
};

export const metric = (step: number): FrameBody => ({
  type: 'metric',
  step,
  attempt: 1,
  values: { loss: 3 / step },
});

/** Every error answer is the envelope, complete, and agrees with its headers. */
export const expectError = (
  answer: { status: number; body: unknown; headers: Record<string, unknown> },
  status: number,
  code: string,
  param?: string | null,
): ErrorEnvelope['error'] => {
  const { error } = answer.body as ErrorEnvelope;
  expect({ status: answer.status, code: error?.code }).toEqual({ status, code });
  expect(Object.keys(error).sort()).toEqual(['code', 'message', 'param', 'request_id', 'type']);
  expect(error.request_id).toBe(answer.headers['x-request-id']);
  if (param !== undefined) expect(error.param).toBe(param);
  return error;
};
