import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { waitFor } from '../support/process.ts';
import {
  endless,
  expectAsUndisturbed,
  type Lab,
  nonsense,
  openLab,
  project,
  queueKinds,
  smallSpec,
} from './lab.ts';

describe.each(queueKinds)('a worker that is told to stop, with its queue on $kind', ({ kind, missing }) => {
  // More than the three attempts that failures are allowed. The store counts them, whatever carries the queue: on the other a single stop shows the way back.
  const stops = kind === 'PostgreSQL' ? 4 : 1;
  let lab: Lab;
  let file: string;
  beforeAll(async () => {
    if (missing) return;
    lab = await openLab(kind);
    file = await lab.upload(nonsense(2000));
  });
  afterAll(async () => lab?.close());

  it.skipIf(missing)(
    'writes a checkpoint and gives its job to the next, at no cost',
    { timeout: 180_000 },
    async () => {
      const spec = smallSpec(file, { max_steps: endless, checkpoint_every: 1000 });
      const { id } = await lab.submit(spec);
      for (let stop = 1; stop <= stops; stop += 1) {
        const worker = await lab.startWorker();
        const { progress } = await lab.job(id);
        const { progress: reached } = await lab.reachesStep(id, progress.step + 100);
        const present = (await lab.store.workers.list(project, { limit: 20 })).data;
        expect(present).toMatchObject([{ device: 'cpu', status: 'busy', job_id: id }]);
        expect(present[0]!.engines).toContain('reference');
        const code = await worker.stop();
        expect(code, worker.output()).toBe(0);
        expect((await lab.store.workers.list(project, { limit: 20 })).data).toEqual([]);
        expect(await lab.job(id)).toMatchObject({
          status: 'queued',
          error: null,
          blocked: { code: 'no_worker' },
        });
        const [newest] = (await lab.store.checkpoints.list(project, id, { limit: 1 })).data;
        expect(newest!.step).toBeGreaterThanOrEqual(reached.step);
      }
      await lab.startWorker();
      await waitFor('the next attempt', async () => (await lab.job(id)).attempt === stops + 1);
      // And one for the pause before the end.
      expect(await lab.endSoon(id)).toMatchObject({ attempt: stops + 2 });
      await expectAsUndisturbed(lab, id);
    },
  );

  it.skipIf(missing)(
    'a job that waits is left in the queue by an idle worker that stops',
    { timeout: 180_000 },
    async () => {
      const other = await lab.startWorker();
      expect(await other.stop()).toBe(0);
      const { id } = await lab.submit(smallSpec(file));
      await lab.reaches(id, 'succeeded');
    },
  );

  if (kind === 'PostgreSQL')
    it('a fault in machine code ends a worker by its signal at once, without any handler in between', {
      timeout: 120_000,
    }, async () => {
      for (const signal of ['SIGSEGV', 'SIGTRAP'] as const) {
        const worker = await lab.startWorker();
        worker.kill(signal);
        expect(await worker.ended, worker.output()).toBeNull();
        expect(worker.child.signalCode).toBe(signal);
      }
    });
});
