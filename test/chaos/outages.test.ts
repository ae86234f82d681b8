import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbeddedPostgres } from '@unfold/store';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Program, waitFor } from '../support/process.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { curveOf, type Lab, nonsense, openLabAt, queueKinds, smallSpec, weightsOf } from '../worker/lab.ts';

describe.each(queueKinds)('with the queue on $kind', ({ kind, missing }) => {
  let folder: string;
  let databaseUrl: string;
  let redis: RedisServer | null = null;
  let lab: Lab;
  let worker: Program;
  let file: string;
  let whole: string;
  const database = () => startEmbeddedPostgres({ dataDir: folder });
  const spec = () =>
    smallSpec(file, { max_steps: 3000, log_every: 2, evaluate_every: 500, checkpoint_every: 100 });

  beforeAll(async () => {
    if (missing) return;
    folder = await mkdtemp(join(tmpdir(), 'unfold-outage-'));
    ({ databaseUrl } = await database());
    redis = kind === 'Redis' ? await startRedis() : null;
    lab = await openLabAt({ databaseUrl, redisUrl: redis?.url ?? null });
    file = await lab.upload(nonsense(2000));
    worker = await lab.startWorker();
    ({ id: whole } = await lab.submit(spec()));
    await lab.reaches(whole, 'succeeded');
  }, 120_000);
  afterAll(async () => {
    await lab?.close();
    await redis?.remove();
    if (folder) {
      await (await database()).stop();
      await rm(folder, { recursive: true, force: true });
    }
  });

  const expectWhole = async (id: string): Promise<void> => {
    expect(await weightsOf(lab, id)).toEqual(await weightsOf(lab, whole));
    expect(await curveOf(lab, id)).toEqual(await curveOf(lab, whole));
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
      for (const step of [100, 1000]) {
        await lab.reachesStep(id, step);
        const noticed = () => worker.output().split('No answer; trying until there is one.').length;
        const before = noticed();
        await (await database()).stop();
        await waitFor('the worker to notice', () => noticed() > before);
        expect((await database()).databaseUrl).toBe(databaseUrl);
      }
      expect(await lab.reaches(id, 'succeeded', 60_000)).toMatchObject({ attempt: 1 });
      await expectWhole(id);
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
        expect(await lab.reaches(id, 'succeeded')).toMatchObject({ attempt: 1 });
        await expectWhole(id);
      },
    );

  it.skipIf(missing)('and the worker takes jobs as before', async () => {
    const { id } = await lab.submit(smallSpec(file));
    await lab.reaches(id, 'succeeded', 60_000);
  });

  it.skipIf(missing)('a worker that starts while its servers are away waits for them', async () => {
    await (kind === 'Redis' ? redis!.stop() : (await database()).stop());
    const starting = lab.startWorker();
    const second = lab.lastWorker();
    await waitFor('the worker to notice', () => second.output().includes('No answer'));
    await (kind === 'Redis' ? redis!.start() : database());
    expect(await (await starting).stop()).toBe(0);
  });
});
