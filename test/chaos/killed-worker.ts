import { randomInt } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { waitFor } from '../support/process.ts';
import {
  curveOf,
  type Lab,
  nonsense,
  openLab,
  queueKinds,
  smallSpec,
  strayFiles,
  weightsOf,
} from '../worker/lab.ts';

const kills = 3;
const totalSteps = 1500;

describe.each(queueKinds)('with the queue on $kind', ({ kind, missing }) => {
  let lab: Lab;
  let file: string;
  beforeAll(async () => {
    if (missing) return;
    lab = await openLab(kind);
    file = await lab.upload(nonsense(3000));
  });
  afterAll(async () => lab?.close());

  const spec = () =>
    smallSpec(file, {
      max_steps: totalSteps,
      log_every: 3,
      evaluate_every: 130,
      checkpoint_every: 35,
      schedule: { type: 'plateau', patience: 1 },
    });

  it.skipIf(missing)(
    'a run that is killed again and again ends with the same bytes and the same curve',
    { timeout: 240_000 },
    async () => {
      const { id } = await lab.submit(spec());
      const killedAt: number[] = [];
      for (let kill = 1; kill <= kills; kill += 1) {
        const worker = await lab.startWorker();
        const { progress } = await waitFor(
          'the next worker to take the job',
          async () => {
            const job = await lab.job(id);
            return job.status === 'running' && job.attempt === kill && job;
          },
          60_000,
        );
        const share = Math.floor(((totalSteps - 200) * kill) / kills);
        await lab.reachesStep(id, Math.min(share, progress.step + randomInt(1, 400)), 60_000);
        worker.kill('SIGKILL');
        expect(await worker.ended).toBeNull();
        killedAt.push((await lab.job(id)).progress.step);
      }
      await lab.startWorker();
      await lab.reaches(id, 'succeeded', 90_000);

      const whole = await lab.submit(spec());
      await lab.reaches(whole.id, 'succeeded', 60_000);
      const story = `killed at ${killedAt.join(', ')}`;
      expect(await weightsOf(lab, id), story).toEqual(await weightsOf(lab, whole.id));
      expect(await curveOf(lab, id), story).toEqual(await curveOf(lab, whole.id));
      const frames = await lab.frames(id);
      expect(frames.map(({ seq }) => seq)).toEqual(frames.map((_, index) => index + 1));
      expect(frames.filter(({ type }) => type === 'restart')).toHaveLength(kills);
      expect(await strayFiles(lab, id)).toEqual([]);
    },
  );

  it.skipIf(missing)(
    'a worker that was stopped past its lock wakes up and writes nothing more',
    { timeout: 180_000 },
    async () => {
      const spec = smallSpec(file, { max_steps: 6000, evaluate_every: 1000, checkpoint_every: 100 });
      await lab.startWorker();
      await lab.startWorker();
      const { id } = await lab.submit(spec);
      await lab.reachesStep(id, 300);
      const asleep = await ownerOf(lab, id);
      process.kill(asleep, 'SIGSTOP');
      await waitFor(
        'another worker to take over',
        async () => {
          const job = await lab.job(id);
          return job.attempt === 2 && job.progress.step > 300;
        },
        60_000,
      );
      process.kill(asleep, 'SIGCONT');
      await lab.reaches(id, 'succeeded', 90_000);

      const frames = await lab.frames(id);
      const restart = frames.findIndex(({ type }) => type === 'restart');
      const later = frames.slice(restart).flatMap((frame) => ('attempt' in frame ? [frame.attempt] : []));
      expect(new Set(later)).toEqual(new Set([2]));
      await waitFor('the sleeper to have cleaned up', async () => {
        const folders = await readdir(join(lab.dataDir, 'scratch'));
        const own = folders.find((name) => name.includes(`@${asleep}@`));
        return own !== undefined && (await readdir(join(lab.dataDir, 'scratch', own))).length === 0;
      });
      expect(await strayFiles(lab, id)).toEqual([]);

      const whole = await lab.submit(spec);
      await lab.reaches(whole.id, 'succeeded', 90_000);
      expect(await weightsOf(lab, id)).toEqual(await weightsOf(lab, whole.id));
      expect(await curveOf(lab, id)).toEqual(await curveOf(lab, whole.id));
    },
  );
});

/** The process that owns a running job, by the scratch folder that it keeps for it. */
const ownerOf = (lab: Lab, id: string): Promise<number> =>
  waitFor('the job to have an owner', async () => {
    const root = join(lab.dataDir, 'scratch');
    for (const folder of await readdir(root)) {
      const attempts = await readdir(join(root, folder)).catch(() => []);
      if (attempts.some((name) => name.startsWith(id))) return Number(folder.split('@')[1]);
    }
    return null;
  });
