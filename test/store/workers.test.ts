import type { DeviceClass, EngineName, JobSpecInput } from '@unfold/contracts';
import type { WorkerReport } from '@unfold/store';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { claim, createJob, openFixture, type StoreFixture } from './fixture.ts';

const id = (letter: string): string => `worker-${letter.repeat(32)}`;

const processor: WorkerReport = {
  id: id('a'),
  host: 'tower',
  pid: 7,
  device: 'cpu',
  description: 'A processor',
  memory_bytes: 8 * 2 ** 30,
  engines: ['native', 'reference'],
};

describe('workers', () => {
  let fixture: StoreFixture;
  beforeAll(async () => {
    fixture = await openFixture();
  });
  afterAll(() => fixture?.remove());
  const sql = (text: string) => fixture.database.query(text);
  beforeEach(() => sql('DELETE FROM workers'));

  it('are listed while they report, and gone when they leave or fall silent', async () => {
    const { workers } = fixture.store;
    for (const letter of ['a', 'b', 'c']) await workers.report({ ...processor, id: id(letter) });
    const first = await workers.list('default', { limit: 2 });
    expect(first.data.map((worker) => worker.id)).toEqual([id('c'), id('b')]);
    expect(first.data[0]).toMatchObject({ ...processor, id: id('c'), status: 'idle', job_id: null });
    expect(first.has_more).toBe(true);
    const next = await workers.list('default', { limit: 2, after: id('b') });
    expect(next.data.map((worker) => worker.id)).toEqual([id('a')]);
    await workers.leave(id('c'));
    await sql(`UPDATE workers SET seen_at = now() - interval '21 seconds' WHERE id = '${id('b')}'`);
    const left = await workers.list('default', { limit: 20 });
    expect(left.data.map((worker) => worker.id)).toEqual([id('a')]);
    await workers.report({ ...processor, id: id('b') });
    expect((await workers.list('default', { limit: 20 })).data).toHaveLength(2);
  });

  it('share a device by host and kind, and are busy with a job that only its project may name', async () => {
    const { workers, jobs } = fixture.store;
    const job = await createJob(fixture.store);
    for (const letter of ['a', 'b']) await workers.report({ ...processor, id: id(letter) });
    await workers.report({ ...processor, id: id('c'), host: 'other' });
    await jobs.claim(job.id, { worker: id('a'), engines: ['reference'] });
    const mine = await workers.list('default', { limit: 20 });
    expect(mine.data.map(({ status, job_id }) => [status, job_id])).toEqual([
      ['idle', null],
      ['idle', null],
      ['busy', job.id],
    ]);
    const theirs = await workers.list('foreign', { limit: 20 });
    expect(theirs.data.at(-1)).toMatchObject({ status: 'busy', job_id: null });
    const devices = await workers.devices({ limit: 20, order: 'asc' });
    expect(devices.data.map(({ host, workers, busy }) => [host, workers, busy]).sort()).toEqual([
      ['other', 1, 0],
      ['tower', 2, 1],
    ]);
    const [begin] = devices.data;
    expect((await workers.devices({ limit: 1, order: 'asc' })).has_more).toBe(true);
    expect((await workers.devices({ limit: 1, order: 'asc', after: begin!.id })).data).toHaveLength(1);
  });

  it('unblock the jobs that they can serve', async () => {
    const { store } = fixture;
    const { workers, jobs } = store;
    const any = await createJob(store);
    const native = await createJob(store, { engine: 'native' });
    const gpu = await createJob(store, { device: 'gpu' });
    const blocked = async () => {
      const found = await Promise.all([any, native, gpu].map((job) => jobs.get('default', job.id)));
      return found.map((job) => job.blocked?.param);
    };
    expect(any.blocked).toMatchObject({
      code: 'no_worker',
      message: expect.stringContaining('No worker is running'),
    });
    expect(await blocked()).toEqual([null, 'engine', 'device']);
    await workers.report({ ...processor, engines: ['reference'] });
    expect(await blocked()).toEqual([undefined, 'engine', 'device']);
    await workers.report({ ...processor, id: id('b') });
    expect(await blocked()).toEqual([undefined, undefined, 'device']);
    expect((await createJob(store, { device: 'gpu' })).blocked?.message).toContain(
      'No running worker has a gpu',
    );
    await workers.report({ ...processor, id: id('c'), device: 'gpu' });
    expect(await blocked()).toEqual([undefined, undefined, 'device']);
    await workers.report({ ...processor, id: id('d'), device: 'gpu', engines: ['webgpu', 'reference'] });
    expect(await blocked()).toEqual([undefined, undefined, undefined]);
    await sql('DELETE FROM workers');
    await claim(store, any.id);
    expect((await jobs.get('default', any.id)).blocked).toBeNull();
  });

  it('serve a job for TensorFlow.js on a kind of device only where that computes there', async () => {
    const { store } = fixture;
    const spec = { engine: 'tfjs', device: 'gpu' } as const;
    const report = { ...processor, device: 'gpu', engines: ['webgpu', 'tfjs'] } as const;
    await store.workers.report({ ...report, engines: [...report.engines] });
    expect((await createJob(store, spec)).blocked).toMatchObject({ param: 'engine' });
    await store.workers.report({ ...report, engines: [...report.engines], id: id('b'), tfjs: 'gpu' });
    expect((await createJob(store, spec)).blocked).toBeNull();
  });

  it('take a job in half precision where they have the engine for it', async () => {
    const { store } = fixture;
    const spec = { training: { precision: 'f16' } } as const;
    await store.workers.report(processor);
    const waiting = await createJob(store, spec);
    expect(waiting.blocked).toMatchObject({
      param: 'training.precision',
      message: expect.stringContaining('No running worker has an engine for the precision f16'),
    });
    await store.workers.report({ ...processor, id: id('b'), device: 'gpu', engines: ['webgpu', 'native'] });
    expect((await store.jobs.get('default', waiting.id)).blocked).toBeNull();
  });

  it('fail a job that names a device on which they have no engine', async () => {
    const { store } = fixture;
    const taken = async (spec: Partial<JobSpecInput>, engines: EngineName[], tfjs: DeviceClass) => {
      const { id: job } = await createJob(store, spec);
      const claimed = await store.jobs.claim(job, { worker: id('a'), engines, tfjs });
      const { status, error, device } = await store.jobs.get('default', job);
      return { status, error: error && [error.code, error.param], engine: claimed?.engine ?? null, device };
    };
    const failed = {
      status: 'failed',
      error: ['engine_unavailable', 'device'],
      engine: null,
      device: null,
    };
    const running = { status: 'running', error: null };
    expect(await taken({ device: 'gpu' }, ['reference', 'tfjs'], 'cpu')).toEqual(failed);
    expect(await taken({ device: 'gpu', engine: 'tfjs' }, ['tfjs'], 'cpu')).toEqual(failed);
    expect(await taken({ device: 'cpu' }, ['webgpu'], 'cpu')).toEqual(failed);
    expect(await taken({ device: 'gpu' }, ['reference', 'tfjs'], 'gpu')).toEqual({
      ...running,
      engine: 'tfjs',
      device: 'gpu',
    });
    expect(await taken({ device: 'cpu' }, ['webgpu', 'reference'], 'cpu')).toEqual({
      ...running,
      engine: 'reference',
      device: 'cpu',
    });
  });
});
