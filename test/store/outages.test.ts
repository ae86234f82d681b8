import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type EmbeddedPostgres, openStore, type Store, startEmbeddedPostgres } from '@unfold/store';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { waitFor } from '../support/process.ts';
import { addCheckpoint, claim, createJob, successor } from './fixture.ts';

// A server of its own, since it is stopped and killed here.
let folder: string;
let server: EmbeddedPostgres;
let store: Store;
const logged: string[] = [];

/** The embedded server picks a new port at each start; these tests need it back where the pool looks for it. */
const startAgain = async (): Promise<void> => {
  const wanted = new URL(server.databaseUrl).port;
  server = await startEmbeddedPostgres({ dataDir: folder });
  expect(new URL(server.databaseUrl).port).toBe(wanted);
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'unfold-outage-'));
  server = await startEmbeddedPostgres({ dataDir: folder });
  store = await openStore({
    databaseUrl: server.databaseUrl,
    artifactsDir: join(folder, 'artifacts'),
    log: (message) => logged.push(message),
  });
});
afterAll(async () => {
  await store.close();
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

const unavailable = { code: 'unavailable', status: 503, retryable: true };

describe('while PostgreSQL is away', () => {
  it.each([
    ['stopped', () => server.stop()],
    ['killed', async () => void process.kill(server.pid, 'SIGKILL')],
  ])('every method says so, and works again by itself when it is back (%s)', async (_, end) => {
    const claimed = await claim(store, (await createJob(store)).id);
    const { job_id } = claimed.claim;
    const before = await store.events.read(job_id);
    await end();
    await waitFor('the outage to be noticed', () =>
      store.ping().then(
        () => false,
        (error) => error.code === 'unavailable',
      ),
    );
    const attempts = await Promise.allSettled([
      store.events.append(claimed.claim, []),
      store.jobs.get('default', job_id),
      store.jobs.list('default', { limit: 1 }),
      store.jobs.request('default', job_id, 'cancel'),
      store.jobs.claim(job_id, successor),
      store.jobs.finish(claimed.claim, { type: 'cancelled' }),
      addCheckpoint(store, claimed, 1),
      store.keys.any(),
      store.models.list('default', { limit: 1 }),
      store.files.list('default', { limit: 1 }),
    ]);
    for (const attempt of attempts)
      expect(attempt).toMatchObject({ status: 'rejected', reason: unavailable });
    await startAgain();
    await store.ping();
    expect(await store.events.read(job_id)).toEqual(before);
    expect(await store.events.append(claimed.claim, [])).toMatchObject({ head: before.length });
  });

  it('work that was under way either happened wholly or not at all', async () => {
    const claimed = await claim(store, (await createJob(store)).id);
    const { job_id } = claimed.claim;
    let acknowledged = 2;
    const writer = (async () => {
      for (let step = 1; ; step += 1) {
        const frames = Array.from({ length: 5 }, () => ({
          type: 'metric' as const,
          step,
          attempt: 1,
          values: { loss: 1 },
        }));
        const done = await store.events.append(claimed.claim, frames).catch(() => null);
        if (!done) return;
        acknowledged = done.head;
      }
    })();
    await waitFor('some frames', () => acknowledged > 50);
    process.kill(server.pid, 'SIGKILL');
    await writer;
    await startAgain();
    const frames = await store.events.read(job_id, { limit: 100_000 });
    expect(frames.map(({ seq }) => seq)).toEqual(frames.map((_, i) => i + 1));
    expect((frames.length - 2) % 5).toBe(0);
    expect([acknowledged, acknowledged + 5]).toContain(frames.length);
  });
});
