import { type JobSpec, type JobSpecInput, jobResource, jobSpec, type Page } from '@unfold/contracts';
import { newId } from '@unfold/store';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  addCheckpoint,
  claim,
  createJob,
  jobIn,
  openFixture,
  type StoreFixture,
  succeed,
  upload,
} from './fixture.ts';

let fixture: StoreFixture;
beforeAll(async () => {
  fixture = await openFixture();
});
afterAll(() => fixture.remove());

const walk = async <T extends { id: string }>(
  list: (after?: string) => Promise<Page<T>>,
): Promise<string[]> => {
  const ids: string[] = [];
  for (let after: string | undefined; ; after = ids.at(-1)) {
    const page = await list(after);
    ids.push(...page.data.map(({ id }) => id));
    if (!page.has_more) return ids;
  }
};

describe('jobs', () => {
  it('are listed newest first in pages, by status and by metadata', async () => {
    const { store } = fixture;
    const { resource: file } = await upload(store, undefined, 'pages');
    const made: string[] = [];
    for (let i = 0; i < 7; i += 1)
      made.unshift((await createJob(store, { file: file.id, metadata: { turn: `${i % 2}` } }, 'pages')).id);
    const list = (more: object) => walk((after) => store.jobs.list('pages', { limit: 3, after, ...more }));
    expect(await list({})).toEqual(made);
    await store.jobs.request('pages', made[1] as string, 'pause');
    expect(await list({ status: 'paused' })).toEqual([made[1]]);
    expect(await list({ metadata: { turn: '1' } })).toEqual(made.filter((_, i) => i % 2));
    await expect(store.jobs.list('pages', { limit: 3, after: newId('file') })).rejects.toMatchObject({
      code: 'invalid_value',
      param: 'after',
    });
  });

  it('know their place in the queue: priority first, then who came first', async () => {
    const own = await openFixture();
    const low = await createJob(own.store, { priority: -5 });
    const first = await createJob(own.store);
    const second = await createJob(own.store);
    const high = await createJob(own.store, { priority: 50 });
    const places = async () =>
      Promise.all(
        [low, first, second, high].map(
          async ({ id }) => (await own.store.jobs.get('default', id)).queue_position,
        ),
      );
    expect(await places()).toEqual([4, 2, 3, 1]);
    expect((await own.store.jobs.queued()).map(({ job_id }) => job_id)).toEqual([
      high.id,
      first.id,
      second.id,
      low.id,
    ]);
    await own.store.jobs.request('default', first.id, 'pause');
    await own.store.jobs.resume('default', first.id);
    await claim(own.store, high.id);
    expect(await places()).toEqual([3, 2, 1, null]);
    expect(await own.store.jobs.abandoned(60_000)).toEqual([]);
    expect(await own.store.jobs.abandoned(-1000)).toMatchObject([{ job_id: high.id }]);
    expect(await own.store.jobs.counts()).toMatchObject({ queued: 3, running: 1, failed: 0 });
    await own.remove();
  });

  it('are refused when the queue is full or the file is not theirs', async () => {
    const { resource: file } = await upload(fixture.store);
    const narrow = await fixture.another({ queueDepth: 0 });
    const spec = jobSpec.parse({ file: file.id });
    await expect(narrow.jobs.create('default', spec)).rejects.toMatchObject({
      code: 'queue_full',
      status: 429,
    });
    await expect(fixture.store.jobs.create('stranger', spec)).rejects.toMatchObject({
      code: 'not_found',
      param: 'file',
    });
  });

  it("are stored together, and what is refused of one is not the others' concern", async () => {
    const own = await openFixture({ queueDepth: 5 });
    const { resource: file } = await upload(own.store);
    const { resource: theirs } = await upload(own.store, undefined, 'stranger');
    const held = await createJob(own.store, { file: file.id, priority: 10 });
    const spec = (more: Partial<JobSpecInput> = {}) => jobSpec.parse({ file: file.id, ...more });
    const post = (...specs: JobSpec[]) =>
      own.store.jobs.createMany(specs.map((spec) => ({ project: 'default', spec, key_id: null })));

    const answers = await post(
      spec(),
      spec({ file: theirs.id }),
      spec({ validation_file: theirs.id }),
      spec({ priority: 50, name: 'first' }),
      { ...spec(), priority: 2 ** 40 },
    );
    expect(answers).toMatchObject([
      { resource: { status: 'queued' }, replayed: false },
      { code: 'not_found', param: 'file' },
      { code: 'not_found', param: 'validation_file' },
      { resource: { name: 'first' } },
      // PostgreSQL has no such integer.
      expect.any(Error),
    ]);
    const together = await post(spec({ priority: -1 }), spec({ priority: 60 }), spec());
    expect(together).toMatchObject([
      { resource: { queue_position: 5 } },
      { resource: { queue_position: 1 } },
      { code: 'queue_full' },
    ]);
    for (const answer of [...answers, ...together]) {
      if (answer instanceof Error) continue;
      const { id } = answer.resource;
      expect(answer.enqueue).toEqual({
        job_id: id,
        enqueue_count: 1,
        device: null,
        priority: answer.resource.spec.priority,
      });
      const { queue_position, ...stored } = await own.store.jobs.get('default', id);
      expect(answer.resource).toMatchObject(stored);
      expect(await own.store.events.read(id)).toMatchObject([{ seq: 1, type: 'status', status: 'queued' }]);
    }
    expect((await own.store.jobs.queued()).map(({ priority }) => priority)).toEqual([60, 50, 10, 0, -1]);
    expect((await own.store.jobs.get('default', held.id)).queue_position).toBe(3);
    await own.remove();
  });

  it('have their place among thousands, of whom none is refused by what was counted a while ago', async () => {
    const own = await openFixture({ queueDepth: 1003 });
    const { resource: file } = await upload(own.store);
    const spec = jobSpec.parse({ file: file.id });
    const post = async (count: number) => {
      const jobs = Array.from({ length: count }, () => ({ project: 'default', spec, key_id: null }));
      const answers = await own.store.jobs.createMany(jobs);
      return answers.map((answer) => (answer instanceof Error ? answer : answer.resource.queue_position));
    };
    expect((await post(1000)).at(-1)).toBe(1000);
    // The first of these counts, the second remembers.
    expect(await post(1)).toEqual([1001]);
    expect(await post(1)).toEqual([1002]);
    const [first, second, third] = await own.store.jobs.queued();
    for (const ticket of [first, second, third])
      await own.store.jobs.request('default', ticket!.job_id, 'cancel');
    expect(await post(5)).toMatchObject([1000, 1001, 1002, 1003, { code: 'queue_full' }]);
    await own.remove();
  });

  it('fill the queue to the last place, and no further, when many are posted at once', async () => {
    const own = await openFixture({ queueDepth: 1500 });
    const { resource: file } = await upload(own.store);
    const spec = jobSpec.parse({ file: file.id });
    const many = (count: number, more: object = {}) =>
      Array.from({ length: count }, () => ({ project: 'default', spec: { ...spec, ...more }, key_id: null }));
    await own.store.jobs.createMany(many(1000));
    const all = (count: number, more: object = {}) => own.store.jobs.createAll('default', many(count, more));
    const settled = await Promise.allSettled(Array.from({ length: 15 }, () => all(60)));
    expect(settled.filter(({ status }) => status === 'fulfilled')).toHaveLength(8);
    expect(settled.filter(({ status }) => status === 'rejected')).toMatchObject(
      Array.from({ length: 7 }, () => ({ reason: { code: 'queue_full' } })),
    );
    expect(await own.store.jobs.queued()).toHaveLength(1480);
    // What PostgreSQL or the rules refuse gives its places back.
    await expect(all(20, { priority: 2 ** 40 })).rejects.toThrow();
    await expect(all(20, { file: 'file-gone' })).rejects.toMatchObject({ code: 'not_found' });
    await own.store.jobs.createMany(many(20, { file: 'file-gone' }));
    const together = await Promise.all(Array.from({ length: 4 }, () => own.store.jobs.createMany(many(6))));
    const refused = together.flat().filter((answer) => answer instanceof Error);
    expect(refused).toMatchObject(Array.from({ length: 4 }, () => ({ code: 'queue_full' })));
    expect(await own.store.jobs.queued()).toHaveLength(1500);
    await own.remove();
  });

  it('take their log and checkpoints along when deleted, not their model', async () => {
    const { store, database } = fixture;
    const own = await claim(store, (await createJob(store, { name: 'kept' })).id);
    const { job_id } = own.claim;
    await expect(store.jobs.remove('default', job_id)).rejects.toMatchObject({ code: 'wrong_state' });
    const checkpoint = await addCheckpoint(store, own, 1);
    const { path } = await store.models.locate('default', checkpoint?.id ?? '');
    await succeed(store, own, checkpoint?.id);
    const unrecorded = `jobs/${job_id}/7/9-of-a-killed-worker`;
    await store.artifacts.write(unrecorded, Buffer.from('x'));
    await store.jobs.remove('default', job_id);
    await expect(store.artifacts.verify(unrecorded, '')).rejects.toMatchObject({ code: 'data_missing' });
    const published = await store.models.locate('default', 'kept');
    await store.artifacts.verify(published.path, published.sha256);
    expect(await database.query('SELECT 1 FROM events WHERE job_id = $1', [job_id])).toEqual([]);
    await expect(store.artifacts.verify(path, '')).rejects.toMatchObject({ code: 'data_missing' });
    expect(await store.models.get('default', 'kept')).toMatchObject({ job_id });
  });

  it('have the shape that was promised, in every state', async () => {
    for (const status of ['queued', 'running', 'paused', 'succeeded', 'failed', 'cancelled'] as const)
      expect(jobResource.parse(await jobIn(fixture.store, status)).status).toBe(status);
  });
});
