import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { curveOf, type Lab, nonsense, openLab, project, queueKinds, smallSpec, weightsOf } from './lab.ts';

describe.each(queueKinds)('a worker that is told to stop, with its queue on $kind', ({ kind, missing }) => {
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
      const spec = smallSpec(file, { max_steps: 800, checkpoint_every: 1000 });
      const stopped = await lab.submit(spec);
      for (const step of [1, 100, 250, 400]) {
        const worker = await lab.startWorker();
        await lab.reachesStep(stopped.id, step);
        const code = await worker.stop();
        expect(code, worker.output()).toBe(0);
        expect(await lab.job(stopped.id)).toMatchObject({ status: 'queued', error: null });
        const [newest] = (await lab.store.checkpoints.list(project, stopped.id, { limit: 1 })).data;
        expect(newest!.step).toBeGreaterThanOrEqual(step);
      }
      await lab.startWorker();
      // Four stops, which is more than the three attempts that failures are allowed.
      expect(await lab.reaches(stopped.id, 'succeeded')).toMatchObject({ attempt: 5 });
      const whole = await lab.submit(spec);
      await lab.reaches(whole.id, 'succeeded');
      expect(await weightsOf(lab, stopped.id)).toEqual(await weightsOf(lab, whole.id));
      expect(await curveOf(lab, stopped.id)).toEqual(await curveOf(lab, whole.id));
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
});
