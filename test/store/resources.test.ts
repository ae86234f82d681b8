import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  fileResource,
  type JobSpec,
  type JobSpecInput,
  jobResource,
  jobSpec,
  keyResource,
  modelResource,
  type Page,
} from '@unfold/contracts';
import { newId, type Store } from '@unfold/store';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  addCheckpoint,
  chunks,
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

const filesOnDisk = async (folder: string): Promise<string[]> =>
  readdir(join(fixture.artifactsDir, folder)).catch(() => []);

describe('files', () => {
  it('records what it saw on the way, also across chunk borders', async () => {
    const { store } = fixture;
    const whale = Buffer.from('a\u00e9\n\ud83d\udc33b');
    for (let cut = 0; cut <= whale.length; cut += 1) {
      const { resource } = await store.files.create('seen', {
        filename: 'whale.txt',
        purpose: 'training',
        upload: chunks(whale.subarray(0, cut), whale.subarray(cut)),
        limit_bytes: 100,
      });
      expect(fileResource.parse(resource)).toMatchObject({
        bytes: 9,
        characters: 5,
        lines: 2,
        invalid_utf8_offset: null,
      });
    }
    const { resource } = await store.files.create('seen', {
      filename: 'latin.txt',
      purpose: 'training',
      upload: chunks('ab', Buffer.from([0xe2, 0x82]), 'c'),
      limit_bytes: 100,
    });
    expect(resource).toMatchObject({ characters: null, invalid_utf8_offset: 2 });
  });

  it('leaves neither row nor file of an upload that is too large or breaks off', async () => {
    const { store } = fixture;
    const before = await filesOnDisk('files');
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('half');
      throw new Error('socket hang up');
    }
    const create = (upload: AsyncIterable<Uint8Array>) =>
      store.files.create('cut', { filename: 'x', purpose: 'training', upload, limit_bytes: 10 });
    await expect(create(broken())).rejects.toMatchObject({ code: 'upload_interrupted' });
    await expect(create(chunks('12345', '678901'))).rejects.toMatchObject({ code: 'payload_too_large' });
    expect((await store.files.list('cut', { limit: 10 })).data).toEqual([]);
    expect(await filesOnDisk('files')).toEqual(before);
    expect(await filesOnDisk('.tmp')).toEqual([]);
  });

  it('are kept while an unfinished job reads them, and say which', async () => {
    const { store } = fixture;
    const job = await createJob(store, {}, 'keeper');
    const remove = () => store.files.remove('keeper', job.spec.file);
    await expect(remove()).rejects.toMatchObject({
      code: 'in_use',
      message: expect.stringContaining(job.id),
    });
    await store.jobs.request('keeper', job.id, 'cancel');
    const { path } = await store.files.locate(job.spec.file);
    await remove();
    await expect(store.artifacts.stream(path)).rejects.toMatchObject({ code: 'data_missing' });
    await expect(store.files.locate(job.spec.file)).rejects.toMatchObject({ code: 'not_found' });
  });

  it('delete themselves when they are due and no unfinished job reads them', async () => {
    const { store, database } = fixture;
    const create = async () => {
      const file = {
        ...{ filename: 'x', purpose: 'training' as const, limit_bytes: 1e6 },
        ...{ upload: chunks('the cat sat on the mat. '.repeat(20)), expires_after: 3600 },
      };
      return (await store.files.create('short', file)).resource;
    };
    const [idle, used, young] = [await create(), await create(), await create()];
    expect(idle!.expires_at).toBe(idle!.created_at + 3600);
    const created = await store.jobs.create('short', jobSpec.parse({ file: used!.id }));
    expect(await store.files.removeExpired()).toBe(0);
    await database.query(
      `UPDATE files SET expires_at = now() WHERE project = 'short' AND id <> '${young!.id}'`,
    );
    const { path } = await store.files.locate(idle!.id);
    expect(await store.files.removeExpired()).toBe(1);
    await expect(store.files.locate(idle!.id)).rejects.toMatchObject({ code: 'not_found' });
    await expect(store.artifacts.stream(path)).rejects.toMatchObject({ code: 'data_missing' });
    await store.jobs.request('short', created.resource.id, 'cancel');
    expect(await store.files.removeExpired()).toBe(1);
    const left = await store.files.list('short', { limit: 10 });
    expect(left.data.map(({ id }) => id)).toEqual([young!.id]);
  });

  it.each([
    ['alone', (store: Store, spec: JobSpec) => store.jobs.create('default', spec)],
    [
      'with others',
      async (store: Store, spec: JobSpec) => {
        const job = { project: 'default', spec, key_id: null };
        const [answer] = await store.jobs.createMany([job, job]);
        if (answer instanceof Error) throw answer;
      },
    ],
  ])('a job created %s while its file is being deleted: one of the two is refused', async (_, create) => {
    const { store } = fixture;
    for (let round = 0; round < 10; round += 1) {
      const { resource } = await upload(store);
      const [created, removed] = await Promise.allSettled([
        create(store, jobSpec.parse({ file: resource.id })),
        store.files.remove('default', resource.id),
      ]);
      expect([created.status, removed.status].filter((status) => status === 'rejected')).toHaveLength(1);
    }
  });
});

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

describe('models', () => {
  it('answer to id, checkpoint and name, where the newest wins', async () => {
    const { store } = fixture;
    const ids: (string | null | undefined)[] = [];
    let checkpoint: string | undefined;
    for (let i = 0; i < 2; i += 1) {
      const own = await claim(store, (await createJob(store, { name: 'ahab' })).id);
      checkpoint = (await addCheckpoint(store, own, 5 + i))?.id;
      ids.push((await succeed(store, own, checkpoint))?.model_id);
    }
    const get = (reference: string) => store.models.get('default', reference);
    expect(modelResource.parse(await get('ahab'))).toMatchObject({ id: ids[1], step: 6 });
    expect(await get(ids[0] as string)).toMatchObject({ id: ids[0], step: 5 });
    expect(modelResource.parse(await get(checkpoint as string))).toMatchObject({
      id: checkpoint,
      name: null,
      step: 6,
    });
    await expect(store.models.get('stranger', 'ahab')).rejects.toMatchObject({ code: 'not_found' });
    await expect(store.models.remove('default', checkpoint as string)).rejects.toMatchObject({
      code: 'invalid_value',
    });
    await store.models.remove('default', 'ahab');
    expect(await get('ahab')).toMatchObject({ id: ids[0] });
  });
});

describe('idempotency', () => {
  const key = (request_hash = 'same', value = newId('key')) => ({
    key: value,
    route: 'POST /v1/jobs',
    request_hash,
  });

  it('gives the stored answer to the same request, and refuses another', async () => {
    const { store } = fixture;
    const spec = jobSpec.parse({ file: (await upload(store)).resource.id });
    const once = key();
    const first = await store.jobs.create('default', spec, once);
    expect(first).toMatchObject({ replayed: false, enqueue: { job_id: first.resource.id } });
    await store.jobs.request('default', first.resource.id, 'cancel');
    await store.files.remove('default', spec.file);
    const again = await store.jobs.create('default', spec, once);
    expect(again).toEqual({ resource: first.resource, replayed: true, enqueue: null });
    expect(await store.replay('default', once)).toEqual(first.resource);
    expect(JSON.stringify(again.resource)).toBe(JSON.stringify(first.resource));
    expect(Object.keys(first.resource.spec)).toEqual(Object.keys(spec));
    expect(await store.replay('default', key())).toBeNull();
    const other = { ...once, request_hash: 'other' };
    await expect(store.jobs.create('default', spec, other)).rejects.toMatchObject({
      code: 'idempotency_mismatch',
    });
    await expect(store.replay('default', other)).rejects.toMatchObject({ code: 'idempotency_mismatch' });
    expect(await store.replay('stranger', once)).toBeNull();
  });

  it('creates one job of ten requests at once; the others hear of it', async () => {
    const { store } = fixture;
    const { resource: file } = await upload(store, undefined, 'once');
    const spec = jobSpec.parse({ file: file.id });
    const once = key();
    const results = await Promise.allSettled(
      Array.from({ length: 10 }, () => store.jobs.create('once', spec, once)),
    );
    const { data } = await store.jobs.list('once', { limit: 10 });
    expect(data).toHaveLength(1);
    for (const result of results)
      if (result.status === 'fulfilled') expect(result.value.resource.id).toBe(data[0]?.id);
      else expect(result.reason).toMatchObject({ code: 'idempotency_in_progress' });
  });

  it('forgets after a day', async () => {
    const { store, database } = fixture;
    const spec = jobSpec.parse({ file: (await upload(store)).resource.id });
    const once = key();
    const first = await store.jobs.create('default', spec, once);
    await database.query(
      "UPDATE idempotency_keys SET created_at = now() - interval '25 hours' WHERE key = $1",
      [once.key],
    );
    const second = await store.jobs.create('default', spec, { ...once, request_hash: 'other' });
    expect(second.replayed).toBe(false);
    expect(second.resource.id).not.toBe(first.resource.id);
  });

  it('covers the content of an upload, which is stored once', async () => {
    const { store } = fixture;
    const create = (text: string) =>
      store.files.create('default', {
        filename: 'x',
        purpose: 'training',
        upload: chunks(text),
        limit_bytes: 100,
        idempotency: { key: 'one', route: 'POST /v1/files' },
      });
    const first = await create('same');
    const stored = await filesOnDisk('files');
    expect(await create('same')).toEqual({ resource: first.resource, replayed: true });
    await expect(create('other')).rejects.toMatchObject({ code: 'idempotency_mismatch' });
    expect(await filesOnDisk('files')).toEqual(stored);
  });
});

describe('keys', () => {
  it('are stored hashed, recognised by their secret, and refused once revoked', async () => {
    const { store, database } = fixture;
    const idempotency = { key: 'k', route: 'POST /v1/keys', request_hash: 'h' };
    const request = { name: 'ci', project: 'whales', scopes: ['read', 'train'] } as const;
    const twice = { ...request, scopes: [...request.scopes, 'read'] as const };
    const { resource } = await store.keys.create(twice, idempotency);
    expect(keyResource.parse(resource).key).toMatch(/^unfold-[\w-]{43}$/);
    const secret = resource.key as string;
    expect(await store.keys.authenticate(secret)).toEqual({
      id: resource.id,
      ...request,
      limits: resource.limits,
    });
    expect(await store.keys.authenticate(`${secret}x`)).toBeNull();
    const kept = await database.query(
      'SELECT k::text, (SELECT json_agg(i)::text FROM idempotency_keys i) FROM api_keys k',
    );
    expect(JSON.stringify(kept)).not.toContain(secret);
    const { key: _, ...rest } = resource;
    expect(await store.keys.create(request, idempotency)).toEqual({ resource: rest, replayed: true });
    expect((await store.keys.list('whales', { limit: 10 })).data).toMatchObject([
      { last_used_at: expect.any(String) },
    ]);
    await store.keys.revoke(resource.id);
    expect(await store.keys.authenticate(secret)).toBeNull();
  });

  it('the configured admin key takes the place of the one before', async () => {
    const { store } = fixture;
    await store.keys.bootstrap('first secret');
    await store.keys.bootstrap('first secret');
    expect(await store.keys.authenticate('first secret')).toMatchObject({
      scopes: expect.arrayContaining(['admin']),
    });
    await store.keys.bootstrap('second secret');
    expect(await store.keys.authenticate('first secret')).toBeNull();
    expect(await store.keys.any()).toBe(true);
    expect(
      (await store.keys.list(null, { limit: 10 })).data.filter(({ name }) => name === 'UNFOLD_ADMIN_KEY'),
    ).toHaveLength(1);
  });
});
