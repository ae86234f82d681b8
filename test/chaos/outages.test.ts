import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbeddedPostgres } from '@unfold/store';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Program, waitFor } from '../support/process.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import {
  endless,
  expectAsUndisturbed,
  type Lab,
  nonsense,
  openLabAt,
  queueKinds,
  smallSpec,
} from '../worker/lab.ts';

describe.each(queueKinds)('with the queue on $kind', ({ kind, missing }) => {
  let folder: string;
  let databaseUrl: string;
  let redis: RedisServer | null = null;
  let lab: Lab;
  let worker: Program;
  let file: string;
  const database = () => startEmbeddedPostgres({ dataDir: folder });
  const spec = () =>
    smallSpec(file, { max_steps: endless, log_every: 5, evaluate_every: 500, checkpoint_every: 100 });

  beforeAll(async () => {
    if (missing) return;
    folder = await mkdtemp(join(tmpdir(), 'unfold-outage-'));
    ({ databaseUrl } = await database());
    redis = kind === 'Redis' ? await startRedis() : null;
    lab = await openLabAt({ databaseUrl, redisUrl: redis?.url ?? null });
    file = await lab.upload(nonsense(2000));
    worker = await lab.startWorker();
  }, 120_000);
  afterAll(async () => {
    await lab?.close();
    await redis?.remove();
    if (folder) {
      await (await database()).stop();
      await rm(folder, { recursive: true, force: true });
    }
  });

  /** The outage cost the run nothing: it is still its first attempt, and ends as without. */
  const expectUnharmed = async (id: string): Promise<void> => {
    const { status, attempt } = await lab.job(id);
    expect({ status, attempt }).toEqual({ status: 'running', attempt: 1 });
    await lab.endSoon(id);
    await expectAsUndisturbed(lab, id);
    const frames = await lab.frames(id);
    expect(frames.map(({ seq }) => seq)).toEqual(frames.map((_, index) => index + 1));
    const steps = frames.flatMap((frame) => (frame.type === 'metric' ? [frame.step] : []));
    expect(new Set(steps).size).toBe(steps.length);
  };

  it.skipIf(missing)(
    'a database that stops and comes back in the middle of a run leaves no hole in it',
    { timeout: 120_000 },
    async () => {
      const { id } = await lab.submit(spec());
      for (let outage = 1; outage <= 2; outage += 1) {
        const { progress } = await lab.job(id);
        await lab.reachesStep(id, progress.step + 100);
        const noticed = () => worker.output().split('No answer; trying until there is one.').length;
        const before = noticed();
        await (await database()).stop();
        await waitFor('the worker to notice', () => noticed() > before);
        expect((await database()).databaseUrl).toBe(databaseUrl);
      }
      const { progress } = await lab.job(id);
      await lab.reachesStep(id, progress.step + 100);
      await expectUnharmed(id);
    },
  );

  if (kind === 'Redis')
    it.skipIf(missing)(
      'a Redis that stops and comes back in the middle of a run does not touch it',
      { timeout: 120_000 },
      async () => {
        const { id } = await lab.submit(spec());
        await lab.reachesStep(id, 100);
        await redis!.stop('SIGKILL');
        const { progress } = await lab.job(id);
        await lab.reachesStep(id, progress.step + 500);
        await redis!.start();
        await waitFor('the queue to be back', () =>
          lab.queue.ping().then(
            () => true,
            () => false,
          ),
        );
        await expectUnharmed(id);
      },
    );

  it.skipIf(missing)('and the worker takes jobs as before', async () => {
    const { id } = await lab.submit(smallSpec(file));
    await lab.reaches(id, 'succeeded', 60_000);
  });

  it.skipIf(missing)(
    'a worker that starts while its servers are away waits for them',
    { timeout: 240_000 },
    async () => {
      await (kind === 'Redis' ? redis!.stop() : (await database()).stop());
      const starting = lab.startWorker();
      const second = lab.lastWorker();
      await waitFor('the worker to notice', () => second.output().includes('No answer'), 120_000);
      await (kind === 'Redis' ? redis!.start() : database());
      expect(await (await starting).stop()).toBe(0);
    },
  );
});
