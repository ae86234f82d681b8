import { execFile, spawnSync } from 'node:child_process';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import type { Frame } from '@unfold/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Program, waitFor } from '../support/process.ts';
import {
  endless,
  expectAsUndisturbed,
  type Lab,
  nonsense,
  openLab,
  project,
  smallSpec,
  strayFiles,
} from './lab.ts';

let lab: Lab;
let file: string;
const spec = () => smallSpec(file, { max_steps: endless });

beforeAll(async () => {
  lab = await openLab('PostgreSQL');
  file = await lab.upload(nonsense(2000));
});
afterAll(async () => lab?.close());

const logs = async (id: string): Promise<string[]> =>
  (await lab.frames(id)).flatMap((frame: Frame) => (frame.type === 'log' ? [frame.message] : []));

const artifactPath = async (checkpoint: string): Promise<string> =>
  lab.store.artifacts.absolute((await lab.store.models.locate(project, checkpoint)).path);

const spoil = async (path: string): Promise<void> => {
  const bytes = await readFile(path);
  bytes[bytes.length - 1]! ^= 1;
  await writeFile(path, bytes);
};

describe('data that is no longer what was uploaded', () => {
  const prepared = async () => {
    const id = await lab.upload(nonsense(1500));
    const { path } = await lab.store.files.locate(id);
    return { job: await lab.submit(smallSpec(id)), path: lab.store.artifacts.absolute(path) };
  };

  it('ends the job as data_missing or data_changed, and says which file', async () => {
    const gone = await prepared();
    await rm(gone.path);
    const cut = await prepared();
    await writeFile(cut.path, (await readFile(cut.path)).subarray(0, 1000));
    const changed = await prepared();
    await spoil(changed.path);
    const worker = await lab.startWorker();
    for (const [{ job }, code] of [
      [gone, 'data_missing'],
      [cut, 'data_changed'],
      [changed, 'data_changed'],
    ] as const) {
      const { error } = await lab.reaches(job.id, 'failed');
      expect(error).toMatchObject({ code, param: 'file', message: expect.stringContaining(job.spec.file) });
      expect((await lab.frames(job.id)).at(-1)).toMatchObject({ status: 'failed', error: { code } });
    }
    await worker.stop();
  });
});

describe('a checkpoint that was damaged on disk', () => {
  it.each([
    ['the newest', 1],
    ['each', Number.POSITIVE_INFINITY],
  ])('%s: the run goes on from an older one, or anew, and ends the same', async (_, damaged) => {
    const worker = await lab.startWorker();
    const { id } = await lab.submit(spec());
    await lab.reachesStep(id, 100);
    await lab.request(id, 'pause');
    const { progress } = await lab.reaches(id, 'paused');
    const { data } = await lab.store.checkpoints.list(project, id, { limit: 100 });
    for (const checkpoint of data.slice(0, damaged)) await spoil(await artifactPath(checkpoint.id));
    await lab.resume(id, { max_steps: progress.step + 150 });
    await lab.reaches(id, 'succeeded');
    await expectAsUndisturbed(lab, id);
    const restarts = (await lab.frames(id)).flatMap((frame) =>
      frame.type === 'restart' ? [frame.from_step] : [],
    );
    expect(restarts).toEqual([data[0]!.step, damaged === 1 ? data[1]!.step : 0]);
    expect(await logs(id)).toContainEqual(expect.stringContaining(`The checkpoint of step ${data[0]!.step}`));
    await worker.stop();
  });
});

const canLimit = spawnSync('prlimit', ['--version']).status === 0;

/** No file of the process may grow beyond so many bytes: what a full disk does to it, and for it alone. */
const limitFiles = async (worker: Program, bytes: number | 'unlimited'): Promise<void> => {
  await promisify(execFile)('prlimit', ['--pid', String(worker.pid), `--fsize=${bytes}:`]);
};

describe.skipIf(!canLimit)('a disk that fills up during a checkpoint (needs prlimit)', () => {
  const filled = async (env: Record<string, string> = {}) => {
    const worker = await lab.startWorker(env);
    const { id } = await lab.submit(spec());
    await lab.reachesStep(id, 40);
    await limitFiles(worker, 1000);
    await waitFor('the full disk to be noticed', async () =>
      (await logs(id)).some((message) => message.startsWith('The disk is full')),
    );
    return { worker, id };
  };
  it('is waited for: with room again, the run ends as if nothing had happened', async () => {
    const { worker, id } = await filled();
    const { progress } = await lab.job(id);
    await limitFiles(worker, 'unlimited');
    expect(await lab.reachesStep(id, progress.step + 50)).toMatchObject({ attempt: 1 });
    await lab.endSoon(id);
    await expectAsUndisturbed(lab, id);
    expect(await strayFiles(lab, id)).toEqual([]);
    await worker.stop();
  });

  it('fails the job when the patience is over, and leaves it ready to be resumed', async () => {
    const { worker, id } = await filled({ UNFOLD_STORAGE_PATIENCE_SECONDS: '1' });
    const { error } = await lab.reaches(id, 'failed');
    expect(error).toMatchObject({ code: 'storage_full', message: expect.stringContaining('resume') });
    expect(await strayFiles(lab, id)).toEqual([]);
    const [newest] = (await lab.store.checkpoints.list(project, id, { limit: 1 })).data;
    await lab.store.artifacts.verify(
      (await lab.store.models.locate(project, newest!.id)).path,
      newest!.sha256,
    );
    await limitFiles(worker, 'unlimited');
    await lab.resume(id);
    await lab.reaches(id, 'running');
    await lab.endSoon(id);
    await expectAsUndisturbed(lab, id);
    await worker.stop();
  });

  it('does not keep a worker from stopping: its job goes on elsewhere', async () => {
    const { worker, id } = await filled();
    expect(await worker.stop()).toBe(0);
    expect(await lab.job(id)).toMatchObject({ status: 'queued' });
    const other = await lab.startWorker();
    await lab.reaches(id, 'running');
    await lab.endSoon(id);
    await expectAsUndisturbed(lab, id);
    await other.stop();
  });
});
