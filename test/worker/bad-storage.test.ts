import { execFile, spawnSync } from 'node:child_process';
import { readFile, rm, truncate, writeFile } from 'node:fs/promises';
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
/** What all tests share; a patience of a second, once another one stopped. */
let worker: Program;
const spec = () => smallSpec(file, { max_steps: endless });

beforeAll(async () => {
  lab = await openLab('PostgreSQL');
  file = await lab.upload(nonsense(2000));
  worker = await lab.startWorker();
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
  it.each([
    ['gone', 'data_missing', (path: string) => rm(path)],
    ['cut', 'data_changed', (path: string) => truncate(path, 1000)],
    ['changed', 'data_changed', spoil],
  ])('%s: ends the job as %s, and says which file', async (_, code, damage) => {
    const id = await lab.upload(nonsense(1500));
    await damage(lab.store.artifacts.absolute((await lab.store.files.locate(id)).path));
    const job = await lab.submit(smallSpec(id));
    const { error } = await lab.reaches(job.id, 'failed');
    expect(error).toMatchObject({ code, param: 'file', message: expect.stringContaining(id) });
    expect((await lab.frames(job.id)).at(-1)).toMatchObject({ status: 'failed', error: { code } });
  });
});

describe('a checkpoint that was damaged on disk', () => {
  it.each([
    ['the newest', 1],
    ['each', Number.POSITIVE_INFINITY],
  ])('%s: the run goes on from an older one, or anew, and ends the same', async (_, damaged) => {
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
  });
});

const canLimit = spawnSync('prlimit', ['--version']).status === 0;

/** No file of the process may grow beyond so many bytes: what a full disk does to it, and for it alone. */
const limitFiles = async (worker: Program, bytes: number | 'unlimited'): Promise<void> => {
  await promisify(execFile)('prlimit', ['--pid', String(worker.pid), `--fsize=${bytes}:`]);
};

describe.skipIf(!canLimit)('a disk that fills up during a checkpoint (needs prlimit)', () => {
  const fillsUp = async () => {
    const { id } = await lab.submit(spec());
    await lab.reachesStep(id, 40);
    await limitFiles(worker, 1000);
    await waitFor('the full disk to be noticed', async () =>
      (await logs(id)).some((message) => message.startsWith('The disk is full')),
    );
    return id;
  };

  it('is waited for: with room again, the run ends as if nothing had happened', async () => {
    const id = await fillsUp();
    const { progress } = await lab.job(id);
    await limitFiles(worker, 'unlimited');
    expect(await lab.reachesStep(id, progress.step + 50)).toMatchObject({ attempt: 1 });
    await lab.endSoon(id);
    await expectAsUndisturbed(lab, id);
    expect(await strayFiles(lab, id)).toEqual([]);
  });

  it('does not keep a worker from stopping: its job goes on elsewhere', async () => {
    const id = await fillsUp();
    expect(await worker.stop()).toBe(0);
    expect(await lab.job(id)).toMatchObject({ status: 'queued' });
    worker = await lab.startWorker({ UNFOLD_STORAGE_PATIENCE_SECONDS: '1' });
    await lab.reaches(id, 'running');
    await lab.endSoon(id);
    await expectAsUndisturbed(lab, id);
  });

  it('fails the job when the patience is over, here a second, and leaves it ready to be resumed', async () => {
    const id = await fillsUp();
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
  });
});
