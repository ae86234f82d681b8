import { fileResource, type JobSpec, jobSpec } from '@unfold/contracts';
import type { Store } from '@unfold/store';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { chunks, createJob, filesOnDisk, openFixture, type StoreFixture, upload } from './fixture.ts';

let fixture: StoreFixture;
beforeAll(async () => {
  fixture = await openFixture();
});
afterAll(() => fixture.remove());

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
    const before = await filesOnDisk(fixture, 'files');
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('half');
      throw new Error('socket hang up');
    }
    const create = (upload: AsyncIterable<Uint8Array>) =>
      store.files.create('cut', { filename: 'x', purpose: 'training', upload, limit_bytes: 10 });
    await expect(create(broken())).rejects.toMatchObject({ code: 'upload_interrupted' });
    await expect(create(chunks('12345', '678901'))).rejects.toMatchObject({ code: 'payload_too_large' });
    expect((await store.files.list('cut', { limit: 10 })).data).toEqual([]);
    expect(await filesOnDisk(fixture, 'files')).toEqual(before);
    expect(await filesOnDisk(fixture, '.tmp')).toEqual([]);
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
