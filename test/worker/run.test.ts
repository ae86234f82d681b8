import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createBackend, inspectWeights, readHeader } from '@unfold/rnn';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { waitFor } from '../support/process.ts';
import {
  curveOf,
  endless,
  expectAsUndisturbed,
  type Lab,
  nonsense,
  openLab,
  project,
  queueKinds,
  smallSpec,
  strayFiles,
  weightsOf,
} from './lab.ts';

const unevaluated = { max_steps: endless, evaluate_every: endless };

describe.each(queueKinds)('a worker with its queue on $kind', ({ kind, missing }) => {
  let lab: Lab;
  let file: string;
  beforeAll(async () => {
    if (missing) return;
    lab = await openLab(kind);
    file = await lab.upload(nonsense(2000));
    await lab.startWorker();
  });
  afterAll(async () => lab?.close());

  it.skipIf(missing)('trains a job to its model and tells all of it in order', async () => {
    const { id } = await lab.submit(smallSpec(file));
    const job = await lab.reaches(id, 'succeeded');
    const { name: engine } = (await createBackend('auto')).describe();
    expect(job).toMatchObject({ attempt: 1, engine, device: 'cpu', error: null });
    expect(job.progress).toMatchObject({ step: 200, total_steps: 200 });

    const frames = await lab.frames(id);
    expect(frames.map(({ seq }) => seq)).toEqual(frames.map((_, index) => index + 1));
    const statuses = frames.flatMap((frame) => (frame.type === 'status' ? [frame.status] : []));
    expect(statuses).toEqual(['queued', 'running', 'succeeded']);
    expect(frames.at(-1)).toMatchObject({ type: 'status', status: 'succeeded' });
    const steps = frames.flatMap((frame) => (frame.type === 'metric' ? [frame.step] : []));
    expect(steps).toEqual([...steps].sort((a, b) => a - b));
    expect(steps).toContain(200);
    expect(frames.filter(({ type }) => type === 'sample').length).toBe(4);

    const { data } = await lab.store.checkpoints.list(project, id, { limit: 100 });
    expect(data[0]).toMatchObject({ step: 200, attempt: 1 });
    expect(data.length).toBeLessThanOrEqual(5);
    const weights = await weightsOf(lab, id);
    const { parameters } = inspectWeights(weights);
    expect(await lab.store.models.get(project, 'small')).toMatchObject({ job_id: id, step: 200, parameters });
    expect(await lab.store.models.get(project, data[0]!.id)).toMatchObject({ parameters });
    expect(await strayFiles(lab, id)).toEqual([]);
  });

  it.skipIf(missing)('trains in the precision that the spec asks for, and exports float32', async () => {
    const { id } = await lab.submit(smallSpec(file, { precision: 'bf16', max_steps: 20 }));
    await lab.reaches(id, 'succeeded');
    const { emulated } = (await createBackend('auto', { precision: 'bf16' })).describe();
    const warnings = (await lab.frames(id)).flatMap((frame) =>
      frame.type === 'log' && frame.level === 'warning' ? [frame.message] : [],
    );
    expect(warnings.filter((message) => message.includes('bf16'))).toHaveLength(emulated ? 1 : 0);
    const { tensors } = readHeader(await weightsOf(lab, id));
    expect(new Set([...tensors.values()].map(({ dtype }) => dtype))).toEqual(new Set(['F32']));
  });

  it.skipIf(missing)('publishes the best checkpoint when training stops early', async () => {
    const early = { early_stopping: { patience: 2 }, evaluate_every: 20, optimizer: { learning_rate: 0.3 } };
    const { id } = await lab.submit(smallSpec(file, { ...early, max_steps: 2000 }));
    const job = await lab.reaches(id, 'succeeded');
    expect(job.progress.step).toBeLessThan(2000);
    const { steps, series } = await curveOf(lab, id);
    const losses = series.validation_loss!.map((loss) => loss ?? Number.POSITIVE_INFINITY);
    const best = steps[losses.indexOf(Math.min(...losses))];
    expect(await lab.store.models.get(project, job.model_id!)).toMatchObject({ step: best });
  });

  it.skipIf(missing)('pauses with a checkpoint, goes on, and ends as if it had not paused', async () => {
    const { id } = await lab.submit(smallSpec(file, { max_steps: endless }));
    await lab.reachesStep(id, 1);
    await lab.request(id, 'pause');
    const paused = await lab.reaches(id, 'paused');
    const [checkpoint] = (await lab.store.checkpoints.list(project, id, { limit: 1 })).data;
    expect(checkpoint!.step).toBeGreaterThan(0);
    await lab.resume(id, { max_steps: paused.progress.step + 150 });
    await lab.reaches(id, 'succeeded');
    await expectAsUndisturbed(lab, id);
    expect(await lab.frames(id)).toContainEqual(
      expect.objectContaining({ type: 'restart', from_step: checkpoint!.step, reason: 'resumed' }),
    );
  });

  it.skipIf(missing)('cancels a running job within a second', async () => {
    const { id } = await lab.submit(smallSpec(file, unevaluated));
    await lab.reachesStep(id, 50);
    const from = performance.now();
    await lab.request(id, 'cancel');
    const job = await lab.reaches(id, 'cancelled');
    expect(performance.now() - from).toBeLessThan(1000);
    expect(job.model_id).toBeNull();
    await waitFor(
      'what was not recorded to be removed',
      async () => (await strayFiles(lab, id)).length === 0,
    );
    expect((await lab.frames(id)).at(-1)).toMatchObject({ type: 'status', status: 'cancelled' });
  });

  it.skipIf(missing)('goes on with a cancelled job when asked, from its newest checkpoint', async () => {
    const { id } = await lab.submit(smallSpec(file, { ...unevaluated, checkpoint_every: 10 }));
    await lab.reachesStep(id, 50);
    await lab.request(id, 'cancel');
    const { progress } = await lab.reaches(id, 'cancelled');
    await lab.resume(id, { max_steps: progress.step + 50 });
    expect((await lab.reaches(id, 'succeeded')).progress.step).toBe(progress.step + 50);
  });

  it.skipIf(missing).each([
    ['pause', 'cancel'],
    ['cancel', 'pause'],
    ['pause', 'resume', 'cancel'],
    ['pause', 'pause', 'cancel', 'cancel'],
  ] as const)('%s, %s …: a cancel wins whatever the order', async (...actions) => {
    const { id } = await lab.submit(smallSpec(file, unevaluated));
    await lab.reachesStep(id, 20);
    for (const action of actions) {
      const asked = action === 'resume' ? lab.resume(id) : lab.request(id, action);
      // Refused when an earlier request was carried out first, which is as good.
      await asked.catch((error) => expect(error).toMatchObject({ code: 'wrong_state' }));
    }
    await lab.reaches(id, 'cancelled');
  });

  it.skipIf(missing)('goes on when a pause is withdrawn, at whatever moment', async () => {
    const { id } = await lab.submit(smallSpec(file, { max_steps: endless }));
    for (let turn = 1; turn <= 5; turn += 1) {
      const { progress } = await lab.job(id);
      await lab.reachesStep(id, progress.step + 20);
      await lab.request(id, 'pause');
      await lab.resume(id);
    }
    const { progress } = await lab.endSoon(id);
    const { steps } = await curveOf(lab, id);
    const points = Array.from({ length: Math.floor(progress.step / 5) }, (_, index) => 5 * (index + 1));
    expect(steps.filter((step) => step % 5 === 0)).toEqual(points);
  });

  it.skipIf(missing)('leaves nothing in the scratch folder', async () => {
    const [own] = await readdir(join(lab.dataDir, 'scratch'));
    await waitFor(
      'the folder to be empty',
      async () => (await readdir(join(lab.dataDir, 'scratch', own!))).length === 0,
    );
  });
});
