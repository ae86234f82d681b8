import { randomInt } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createBackend } from '@unfold/rnn';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { waitFor } from '../support/process.ts';
import {
  endless,
  expectAsUndisturbed,
  type Lab,
  nonsense,
  openLab,
  type queueKinds,
  smallSpec,
  strayFiles,
} from '../worker/lab.ts';

const kills = 3;

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

/** What becomes of a run whose worker is killed or put to sleep, on the engine that this machine trains with. Every kill waits for the queue's lock to run out. */
export const describeKilledWorker = ({ kind, missing }: (typeof queueKinds)[number]): void => {
  describe(`with the queue on ${kind}`, () => {
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
        max_steps: endless,
        log_every: 3,
        evaluate_every: 130,
        checkpoint_every: 35,
        schedule: { type: 'plateau', patience: 1 },
      });

    it.skipIf(missing)(
      'a run that is killed again and again, on changing numbers of threads, ends with the same bytes and the same curve',
      { timeout: 240_000 },
      async () => {
        const { id } = await lab.submit(spec());
        const killedAt: number[] = [];
        for (let kill = 1; kill <= kills; kill += 1) {
          const worker = await lab.startWorker({ UNFOLD_THREADS: String(kill) });
          const { progress } = await waitFor(
            'the next worker to take the job',
            async () => {
              const job = await lab.job(id);
              return job.status === 'running' && job.attempt === kill && job;
            },
            60_000,
          );
          await lab.reachesStep(id, progress.step + randomInt(1, 400), 60_000);
          worker.kill('SIGKILL');
          expect(await worker.ended).toBeNull();
          killedAt.push((await lab.job(id)).progress.step);
        }
        await lab.startWorker();
        await waitFor(
          'the last worker to take the job',
          async () => (await lab.job(id)).attempt > kills,
          60_000,
        );
        const { engine } = await lab.endSoon(id);
        expect(engine).toBe((await createBackend('auto')).describe().name);
        await expectAsUndisturbed(lab, id, `killed at ${killedAt.join(', ')}`);
        const frames = await lab.frames(id);
        expect(frames.map(({ seq }) => seq)).toEqual(frames.map((_, index) => index + 1));
        // One more for the pause that ends it.
        expect(frames.filter(({ type }) => type === 'restart')).toHaveLength(kills + 1);
        expect(await strayFiles(lab, id)).toEqual([]);
      },
    );

    it.skipIf(missing)(
      'a worker that was stopped past its lock wakes up and writes nothing more',
      { timeout: 180_000 },
      async () => {
        await lab.startWorker();
        await lab.startWorker();
        const { id } = await lab.submit(
          smallSpec(file, { max_steps: endless, evaluate_every: 1000, checkpoint_every: 100 }),
        );
        await lab.reachesStep(id, 300);
        const asleep = await ownerOf(lab, id);
        process.kill(asleep, 'SIGSTOP');
        const { progress } = await lab.job(id);
        await waitFor(
          'another worker to take over',
          async () => {
            const job = await lab.job(id);
            return job.attempt === 2 && job.progress.step > progress.step;
          },
          60_000,
        );
        process.kill(asleep, 'SIGCONT');
        await waitFor('the sleeper to have cleaned up', async () => {
          const folders = await readdir(join(lab.dataDir, 'scratch'));
          const own = folders.find((name) => name.includes(`@${asleep}@`));
          return own !== undefined && (await readdir(join(lab.dataDir, 'scratch', own))).length === 0;
        });
        await lab.endSoon(id);

        const frames = await lab.frames(id);
        const restart = frames.findIndex(({ type }) => type === 'restart');
        const later = frames.slice(restart).flatMap((frame) => ('attempt' in frame ? [frame.attempt] : []));
        expect(later).toEqual([...later].sort());
        expect(new Set(later)).toEqual(new Set([2, 3]));
        expect(await strayFiles(lab, id)).toEqual([]);
        await expectAsUndisturbed(lab, id);
      },
    );
  });
};
