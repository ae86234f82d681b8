import { jobSpec } from '@unfold/contracts';
import { newId } from '@unfold/store';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { chunks, filesOnDisk, openFixture, type StoreFixture, upload } from './fixture.ts';

let fixture: StoreFixture;
beforeAll(async () => {
  fixture = await openFixture();
});
afterAll(() => fixture.remove());

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
    const stored = await filesOnDisk(fixture, 'files');
    expect(await create('same')).toEqual({ resource: first.resource, replayed: true });
    await expect(create('other')).rejects.toMatchObject({ code: 'idempotency_mismatch' });
    expect(await filesOnDisk(fixture, 'files')).toEqual(stored);
  });
});
