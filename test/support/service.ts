import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Frame, JobResource } from '@unfold/contracts';
import { WebSocket } from 'ws';
import { withDatabase } from './postgres.ts';
import { freePort, type Program, startProgram, waitFor } from './process.ts';

/** A whole service on a free port, in folders of its own. */
export interface Service {
  readonly url: string;
  readonly dataDir: string;
  /** API processes and workers, where they are separate programs; empty for `unfold up`. */
  readonly api: Program | null;
  readonly workers: Program[];
  startWorker(): Program;
  restartApi(): Promise<void>;
  stop(): Promise<void>;
}

const isReady = (url: string) => async (): Promise<boolean> => {
  const answer = await fetch(`${url}/ready`).catch(() => null);
  return answer?.ok ?? false;
};

/** `unfold up` over a database of the test run's server, which is there in less time than a PostgreSQL of its own. */
export const startService = async (): Promise<Service> => {
  const database = await withDatabase();
  const service = await startEmbeddedService({ DATABASE_URL: database.databaseUrl });
  return {
    ...service,
    stop: async () => {
      await service.stop();
      await database.drop();
    },
  };
};

/** `unfold up`: everything embedded, as `npm start` runs it. */
export const startEmbeddedService = async (env: Record<string, string> = {}): Promise<Service> => {
  const dataDir = await mkdtemp(join(tmpdir(), 'unfold-e2e-'));
  const up = startProgram('apps/cli/dist/main.js', {
    arguments: ['up', '--data-dir', dataDir],
    env: { PORT: String(await freePort()), ...env },
  });
  let failed = false;
  void up.ended.then(() => (failed = true));
  const url = await waitFor(
    'the service to be up',
    async () => {
      if (failed) throw new Error(`unfold up ended early:\n${up.output()}`);
      const text = await readFile(join(dataDir, 'up.json'), 'utf8').catch(() => null);
      return text === null ? null : (JSON.parse(text) as { url: string }).url;
    },
    60_000,
  );
  await waitFor('the service to be ready', isReady(url), 60_000);
  return {
    url,
    dataDir,
    api: null,
    workers: [],
    startWorker: () => {
      throw new Error('unfold up owns its workers.');
    },
    restartApi: () => Promise.reject(new Error('unfold up owns its API.')),
    stop: async () => {
      await up.stop(40_000);
      await rm(dataDir, { recursive: true, force: true });
    },
  };
};

/** API and workers as programs of their own over the given PostgreSQL and Redis, as the images run them. */
export const startDistributedService = async (options: {
  databaseUrl: string;
  redisUrl: string | null;
  workers: number;
  env?: Record<string, string>;
}): Promise<Service> => {
  const dataDir = await mkdtemp(join(tmpdir(), 'unfold-e2e-'));
  const port = String(await freePort());
  const url = `http://127.0.0.1:${port}`;
  const env: Record<string, string> = {
    PORT: port,
    DATABASE_URL: options.databaseUrl,
    UNFOLD_DATA_DIR: dataDir,
    ...(options.redisUrl === null ? {} : { REDIS_URL: options.redisUrl }),
    ...options.env,
  };
  let api = startProgram('apps/api/dist/main.js', { env });
  await waitFor('the API to be ready', isReady(url), 60_000);
  const workers: Program[] = [];
  const startWorker = (): Program => {
    const worker = startProgram('apps/worker/dist/main.js', { env });
    workers.push(worker);
    return worker;
  };
  for (let started = 0; started < options.workers; started += 1) startWorker();
  return {
    url,
    dataDir,
    get api() {
      return api;
    },
    workers,
    startWorker,
    restartApi: async () => {
      await api.stop();
      api = startProgram('apps/api/dist/main.js', { env });
      await waitFor('the API to be ready again', isReady(url), 60_000);
    },
    stop: async () => {
      await Promise.all(workers.map((worker) => worker.stop()));
      await api.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
};

export const post = (service: Service, path: string, body?: unknown): Promise<Response> =>
  fetch(`${service.url}${path}`, {
    method: 'POST',
    ...(body === undefined
      ? {}
      : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  });

const json = async <T>(answer: Response): Promise<T> => {
  const body = await answer.text();
  if (!answer.ok) throw new Error(`${answer.url} answered ${answer.status}: ${body}`);
  return JSON.parse(body) as T;
};

export const get = async <T>(service: Service, path: string): Promise<T> =>
  json<T>(await fetch(`${service.url}${path}`));

/** Uploads a text; returns its file id. */
export const upload = async (service: Service, text: string): Promise<string> => {
  const form = new FormData();
  form.set('purpose', 'training');
  form.set('file', new Blob([text]), 'text.txt');
  const answer = await fetch(`${service.url}/v1/files`, { method: 'POST', body: form });
  return (await json<{ id: string }>(answer)).id;
};

export const submit = async (service: Service, spec: object): Promise<JobResource> =>
  json<JobResource>(await post(service, '/v1/jobs', spec));

export const job = (service: Service, id: string): Promise<JobResource> => get(service, `/v1/jobs/${id}`);

/** Waits until the job has one of the statuses. */
export const reaches = (
  service: Service,
  id: string,
  statuses: readonly JobResource['status'][],
  timeoutMs = 60_000,
): Promise<JobResource> =>
  waitFor(
    `${id} to be ${statuses.join(' or ')}`,
    async () => {
      const current = await job(service, id).catch(() => null);
      return current !== null && statuses.includes(current.status) ? current : null;
    },
    timeoutMs,
  );

/**
 * Follows a job over its socket until the server closes it as finished. `breakAfter` says after how many frames of one
 * connection to cut it without a goodbye; the next connection asks for what came after the last frame seen.
 */
export const follow = async (
  service: Service,
  id: string,
  breakAfter: () => number = () => Number.POSITIVE_INFINITY,
): Promise<{ frames: Frame[]; connections: number }> => {
  const frames: Frame[] = [];
  let connections = 0;
  for (;;) {
    connections += 1;
    const after = frames.at(-1)?.seq ?? 0;
    const code = await new Promise<number>((resolve) => {
      const socket = new WebSocket(
        `${service.url.replace('http', 'ws')}/v1/jobs/${id}/stream?after=${after}`,
      );
      let left = breakAfter();
      socket.on('message', (data) => {
        if (left <= 0) return;
        frames.push(JSON.parse(String(data)) as Frame);
        left -= 1;
        if (left <= 0) socket.terminate();
      });
      socket.on('error', () => {});
      socket.on('close', resolve);
    });
    if (code === 1000) return { frames, connections };
    if (connections > 10_000) throw new Error('The stream never finished.');
  }
};
