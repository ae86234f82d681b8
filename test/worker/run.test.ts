import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { jobSpec } from '@unfold/contracts';
import { createBackend, inspectWeights, LanguageModel, readHeader, readTensor } from '@unfold/rnn';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
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

/** How long a run is that a test interrupts depends on how busy the machine is, and it may be trained twice. */
const repeats = { timeout: 240_000 };
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
  afterEach(async () => lab?.clear(), 120_000);
  afterAll(async () => lab?.close());

  // What a worker makes of a job once it has it is the same whichever queue gave it.
  if (kind === 'PostgreSQL') {
    it('trains a job to its model and tells all of it in order', async () => {
      const { id } = await lab.submit(smallSpec(file, { diagnostics_every: 100, sample_every: 50 }));
      const job = await lab.reaches(id, 'succeeded');
      const { name: engine } = (await createBackend('auto')).describe();
      expect(job).toMatchObject({ attempt: 1, engine, device: 'cpu', error: null });
      expect(job.progress).toMatchObject({ step: 200, total_steps: 200, share: 1 });
      expect(job.progress.seconds).toBeGreaterThan(0);

      const frames = await lab.frames(id);
      expect(frames.map(({ seq }) => seq)).toEqual(frames.map((_, index) => index + 1));
      const statuses = frames.flatMap((frame) => (frame.type === 'status' ? [frame.status] : []));
      expect(statuses).toEqual(['queued', 'running', 'succeeded']);
      expect(frames.at(-1)).toMatchObject({ type: 'status', status: 'succeeded' });
      const steps = frames.flatMap((frame) => (frame.type === 'metric' ? [frame.step] : []));
      expect(steps).toEqual([...steps].sort((a, b) => a - b));
      expect(steps).toContain(200);
      expect(frames.filter(({ type }) => type === 'sample').length).toBe(4);
      const diagnosed = frames.flatMap((frame) => (frame.type === 'diagnostic' ? [frame] : []));
      expect(diagnosed.map(({ step }) => step)).toEqual([...Array(4).fill(100), ...Array(4).fill(200)]);
      const { series } = await lab.store.events.metrics(id);
      expect(series.free_running_loss!.filter((loss) => loss !== null).length).toBe(4);

      const { data } = await lab.store.checkpoints.list(project, id, { limit: 100 });
      expect(data[0]).toMatchObject({ step: 200, attempt: 1 });
      expect(data.length).toBeLessThanOrEqual(5);
      const weights = await weightsOf(lab, id);
      const { parameters } = inspectWeights(weights);
      expect(await lab.store.models.get(project, 'small')).toMatchObject({
        job_id: id,
        step: 200,
        parameters,
      });
      expect(await lab.store.models.get(project, data[0]!.id)).toMatchObject({ parameters });
      expect(await strayFiles(lab, id)).toEqual([]);
    });

    it('trains with TensorFlow.js a job that asks for it, which leaves no trace in the log', async () => {
      const few = { max_steps: 6, evaluate_every: 6 };
      const { id } = await lab.submit(smallSpec(file, few, { engine: 'tfjs' }));
      const job = await lab.reaches(id, 'succeeded');
      expect(job).toMatchObject({ engine: 'tfjs', error: null });
      const { series } = await lab.store.events.metrics(id);
      expect(series.loss!.filter((loss) => loss !== null).length).toBeGreaterThan(0);
      for (const line of lab.lastWorker().output().trim().split('\n'))
        expect(() => JSON.parse(line), line).not.toThrow();
    });

    it('rolls a diverging run back three times, then fails it with a usable checkpoint', async () => {
      const fragile = {
        clip: null,
        optimizer: { type: 'sgd' as const, learning_rate: 100, weight_decay: 1 },
        evaluate_every: 1000,
        checkpoint_every: 5,
      };
      const { id } = await lab.submit(
        smallSpec(file, fragile, {
          model: { cell: 'elman', activation: 'relu', hidden_size: 16, num_layers: 1 },
        }),
      );
      const job = await lab.reaches(id, 'failed');
      expect(job.error).toMatchObject({
        code: 'diverged',
        message: expect.stringMatching(/diverged at step \d+/),
      });
      const frames = await lab.frames(id);
      const restarts = frames.filter((frame) => frame.type === 'restart');
      expect(restarts.map((frame) => frame.reason)).toEqual(['rolled_back', 'rolled_back', 'rolled_back']);
      const { steps } = await curveOf(lab, id);
      expect(steps).toEqual([...new Set(steps)].sort((a, b) => a - b));
      const [newest] = (await lab.store.checkpoints.list(project, id, { limit: 1 })).data;
      const located = await lab.store.models.locate(project, newest!.id);
      const weights = await readFile(lab.store.artifacts.absolute(located.path));
      const model = await LanguageModel.load(weights, await createBackend('auto'));
      expect((await model.score('the whale')).total).toBeLessThan(0);
    });

    it('starts from a model that is deleted meanwhile, frozen parameters untouched', async () => {
      const base = await lab.submit(smallSpec(file));
      const { model_id } = await lab.reaches(base.id, 'succeeded');
      const model = await lab.store.models.locate(project, model_id!);
      const before = await weightsOf(lab, base.id);
      const start_from = { model: model.id, freeze: ['layers.0'] };
      const spec = jobSpec.parse(smallSpec(file, {}, { start_from, name: 'tuned' }));
      const { resource, enqueue } = await lab.store.jobs.create(project, spec, undefined, model);
      await lab.store.models.remove(project, model.id);
      await lab.queue.enqueue(enqueue!);
      await lab.reaches(resource.id, 'succeeded');
      const after = await weightsOf(lab, resource.id);
      const read = (weights: Buffer, name: string) =>
        readTensor(weights, readHeader(weights), name, Float32Array);
      for (const name of ['rnn.weight_ih_l0', 'rnn.weight_hh_l0', 'rnn.bias_hh_l0'])
        expect(read(after, name)).toEqual(read(before, name));
      expect(read(after, 'decoder.weight')).not.toEqual(read(before, 'decoder.weight'));
      await lab.store.jobs.remove(project, resource.id);
      const left = await readdir(lab.store.artifacts.absolute(`jobs/${resource.id}`));
      expect(left).not.toContain('start.safetensors');
    });

    it('trains in the precision that the spec asks for, and exports float32', async () => {
      // Large enough that its weights are exported in a thread of their own.
      const model = { hidden_size: 256, num_layers: 1 };
      const { id } = await lab.submit(smallSpec(file, { precision: 'bf16', max_steps: 4 }, { model }));
      await lab.reaches(id, 'succeeded');
      const { emulated } = (await createBackend('auto', { precision: 'bf16' })).describe();
      const warnings = (await lab.frames(id)).flatMap((frame) =>
        frame.type === 'log' && frame.level === 'warning' ? [frame.message] : [],
      );
      expect(warnings.filter((message) => message.includes('bf16'))).toHaveLength(emulated ? 1 : 0);
      const weights = await weightsOf(lab, id);
      expect(weights.byteLength).toBeGreaterThan(2 ** 20);
      const { tensors } = readHeader(weights);
      expect(new Set([...tensors.values()].map(({ dtype }) => dtype))).toEqual(new Set(['F32']));
    });

    it('publishes the best checkpoint when training stops early', async () => {
      const early = {
        early_stopping: { patience: 2 },
        evaluate_every: 20,
        optimizer: { learning_rate: 0.3 },
      };
      const { id } = await lab.submit(smallSpec(file, { ...early, max_steps: 2000 }));
      const job = await lab.reaches(id, 'succeeded');
      expect(job.progress.step).toBeLessThan(2000);
      const { steps, series } = await curveOf(lab, id);
      const losses = series.validation_loss!.map((loss) => loss ?? Number.POSITIVE_INFINITY);
      const best = steps[losses.indexOf(Math.min(...losses))];
      expect(await lab.store.models.get(project, job.model_id!)).toMatchObject({ step: best });
    });
  }

  it.skipIf(missing)(
    'pauses with a checkpoint, goes on, and ends as if it had not paused',
    repeats,
    async () => {
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
    },
  );

  it.skipIf(missing)('cancels a running job', async () => {
    const { id } = await lab.submit(smallSpec(file, unevaluated));
    await lab.reachesStep(id, 50);
    await lab.request(id, 'cancel');
    const job = await lab.reaches(id, 'cancelled');
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

  it.skipIf(missing)('goes on when a pause is withdrawn, at whatever moment', repeats, async () => {
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
