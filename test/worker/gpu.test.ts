import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openWebgpu } from '../../packages/kernels/src/conformance/software-gpu.ts';
import { type Program, root, startProgram, waitFor } from '../support/process.ts';
import { endless, type Lab, nonsense, openLab, smallSpec } from './lab.ts';

const gpu = await openWebgpu();
gpu?.close();
const { VK_DRIVER_FILES } = process.env;
const drivers: Record<string, string> = VK_DRIVER_FILES === undefined ? {} : { VK_DRIVER_FILES };

describe.skipIf(!gpu)('a worker with a GPU', { timeout: 240_000 }, () => {
  let lab: Lab;
  let file: string;
  let worker: Program;
  beforeAll(async () => {
    lab = await openLab('PostgreSQL');
    file = await lab.upload(nonsense(500));
    worker = await lab.startWorker({
      UNFOLD_DEVICE: 'gpu',
      UNFOLD_MAX_DEVICE_MEMORY_BYTES: String(64 * 2 ** 20),
      ...drivers,
    });
  });
  afterAll(async () => lab?.close());

  const brief = { max_steps: 6, evaluate_every: 3, sequence_length: 4 };
  const short = () => smallSpec(file, brief);

  it('trains on it jobs that name no engine, and those that name it', async () => {
    const sampled = smallSpec(file, { ...brief, sample_every: 6 });
    const jobs = [await lab.submit(sampled), await lab.submit({ ...short(), engine: 'webgpu' })];
    for (const { id } of jobs)
      expect(await lab.reaches(id, 'succeeded', 120_000)).toMatchObject({ engine: 'webgpu', error: null });
    expect((await lab.frames(jobs[0]!.id)).filter(({ type }) => type === 'sample')).toHaveLength(1);
  });

  it('survives the end of a job in the middle of a step, and trains the next', async () => {
    const { id } = await lab.submit({ ...short(), training: { ...short().training, max_steps: endless } });
    await lab.reachesStep(id, 2, 120_000);
    await lab.request(id, 'cancel');
    await lab.reaches(id, 'cancelled');
    const next = await lab.submit(short());
    await lab.reaches(next.id, 'succeeded', 120_000);
    expect(worker.output()).not.toContain('FATAL');
  });

  it('trains in half precision on it, and in bfloat16, which no engine for GPUs has, on the processor beside it', async () => {
    const jobs = [];
    for (const precision of ['f16', 'bf16'] as const)
      jobs.push(await lab.submit({ ...short(), training: { ...short().training, precision } }));
    expect(await lab.reaches(jobs[0]!.id, 'succeeded', 120_000)).toMatchObject({ engine: 'webgpu' });
    expect(await lab.reaches(jobs[1]!.id, 'succeeded', 120_000)).toMatchObject({ device: 'cpu' });
  });

  it('refuses a job that needs more memory than it may take, and tells how much', async () => {
    const { id } = await lab.submit({ ...short(), model: { hidden_size: 1024, num_layers: 1 } });
    expect(await lab.reaches(id, 'failed')).toMatchObject({
      error: {
        code: 'out_of_memory',
        param: 'model.hidden_size',
        message: expect.stringMatching(/needs about 0\.\d+ GB.* may take 0\.07 GB/),
      },
    });
  });

  it('leaves its job to a worker without one, which goes on with it; a job that needs one waits and says so', async () => {
    const spec = { ...short(), training: { ...short().training, max_steps: endless } };
    const moving = await lab.submit(spec);
    await lab.reachesStep(moving.id, 2, 120_000);
    expect(await worker.stop()).toBe(0);
    await lab.startWorker();
    const { progress } = await lab.job(moving.id);
    await lab.reachesStep(moving.id, progress.step + 20);
    expect(
      (await lab.frames(moving.id)).flatMap((frame) => (frame.type === 'log' ? [frame.message] : [])),
    ).toContainEqual(expect.stringContaining('was written by engine webgpu-'));
    await lab.clear();
    const { id } = await lab.submit({ ...short(), engine: 'webgpu' });
    expect(await lab.job(id)).toMatchObject({
      status: 'queued',
      blocked: { code: 'no_worker', param: 'engine' },
    });
  });

  it('gives its job back when the GPU is taken away in the middle of it, and ends; another worker goes on with it', async () => {
    await lab.clear();
    expect(await lab.lastWorker().stop()).toBe(0);
    const signal = join(lab.dataDir, 'lose-gpu');
    const preload = pathToFileURL(join(root, 'test/worker/destroy-gpu.mjs')).href;
    const doomed = await lab.startWorker({
      ...{ UNFOLD_DEVICE: 'gpu', ...drivers },
      ...{ NODE_OPTIONS: `--import ${preload}`, UNFOLD_TEST_LOSE_GPU: signal },
    });
    const spec = short();
    const training = { ...spec.training, max_steps: endless, log_every: 1, checkpoint_every: 2 };
    const { id } = await lab.submit({ ...spec, training });
    await lab.reachesStep(id, 5, 120_000);
    await writeFile(signal, '');
    expect(await doomed.ended, doomed.output()).toBe(1);
    expect(doomed.output()).toContain('The GPU was lost');
    await lab.startWorker();
    await waitFor('the next attempt', async () => (await lab.job(id)).attempt === 2);
    const { progress } = await lab.endSoon(id);
    const frames = await lab.frames(id);
    const told = frames.flatMap((frame) => (frame.type === 'log' ? [frame.message] : []));
    expect(told).toContain('Attempt 1 was ended: The GPU that trained this job was lost.');
    expect(told).toContainEqual(expect.stringContaining('was written by engine webgpu-'));
    const restart = frames.find((frame) => frame.type === 'restart');
    expect(restart).toMatchObject({ attempt: 2, reason: 'resumed' });
    expect(restart?.from_step).toBeGreaterThanOrEqual(4);
    const { steps } = await lab.store.events.metrics(id);
    expect(steps).toEqual(Array.from({ length: progress.step }, (_, index) => index + 1));
  });
});

// Elsewhere than on Linux the GPU is not reached by Vulkan, whose drivers are hidden here.
it.skipIf(process.platform !== 'linux')(
  'a worker that is to own a GPU does not start without one, whatever engine it prefers, and says what it needs',
  { timeout: 60_000 },
  async () => {
    const worker = startProgram('apps/worker/dist/main.js', {
      env: {
        DATABASE_URL: 'postgresql://nobody@127.0.0.1:1/none',
        UNFOLD_DEVICE: 'gpu',
        UNFOLD_ENGINE: 'reference',
        VK_DRIVER_FILES: '/none.json',
      },
    });
    expect(await worker.ended).toBe(1);
    expect(worker.output()).toMatch(/engine \\"webgpu\\" .*needs/);
  },
);
