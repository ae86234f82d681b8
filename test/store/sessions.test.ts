import { sessionResource, snapshotResource, type UnfoldError } from '@unfold/contracts';
import { describe, expect, it } from 'vitest';
import {
  bytes,
  codeOf,
  expire,
  fixture,
  model,
  newOwner,
  open,
  openSessions,
  read,
  sessions,
} from './open-sessions.ts';

openSessions();

describe('a session', () => {
  it('is its resource, with the state as it was given', async () => {
    const owner = newOwner();
    const state = new Uint8Array(100_000).map((_, k) => k * 7);
    const created = await open(owner, { context: [1, 2.5], metadata: { b: '1', a: '2' }, state, tokens: 5 });
    expect(sessionResource.parse(created)).toEqual(created);
    expect(created).toMatchObject({ tokens: 5, bytes: 100_000, context: [1, 2.5], forked_from: null });
    expect(Object.keys(created.metadata)).toEqual(['b', 'a']);
    expect(await sessions.get(owner, created.id)).toEqual(created);
    expect(Buffer.compare((await sessions.state(owner, created.id)).state, state)).toBe(0);
    const leased = await sessions.lease(owner, created.id, 15_000);
    expect(leased.context).toEqual([1, 2.5]);
    expect(Buffer.compare(leased.state, state)).toBe(0);
  });

  it('does not exist for another key or another project, whatever is asked', async () => {
    const owner = newOwner();
    const { id } = await open(owner);
    const snapshot = (await sessions.snapshot(owner, id)).resource;
    const fork = { ttl_seconds: null, metadata: null, snapshot: null };
    for (const stranger of [newOwner(), { ...owner, project: 'other' }]) {
      const asked = [
        () => sessions.get(stranger, id),
        () => sessions.state(stranger, id),
        () => sessions.remove(stranger, id),
        () => sessions.lease(stranger, id, 15_000),
        () => sessions.fork(stranger, id, fork),
        () => sessions.snapshot(stranger, id),
        () => sessions.snapshots(stranger, id, { limit: 10 }),
        () => sessions.removeSnapshot(stranger, id, snapshot.id),
        () => sessions.restore(stranger, id, snapshot.id),
      ];
      for (const each of asked) expect((await codeOf(each()))[0]).toBe('not_found');
      expect((await sessions.list(stranger, { limit: 10 })).data).toEqual([]);
      // Any id is a place in time, and tells nothing of who it belongs to.
      expect((await sessions.list(stranger, { limit: 10, after: id })).data).toEqual([]);
    }
    expect(await sessions.get(owner, id)).toMatchObject({ id });
  });

  it('goes with its key', async () => {
    const { resource: key } = await fixture.store.keys.create({
      name: 'k',
      project: 'default',
      scopes: ['infer'],
    });
    const owner = { project: 'default', key: key.id };
    const { id } = await open(owner);
    await fixture.store.keys.revoke(key.id);
    expect(await codeOf(sessions.get(owner, id))).toEqual(['not_found', null]);
  });

  it('is gone when it has expired, and swept later in batches', async () => {
    const owner = newOwner();
    const { id } = await open(owner);
    await sessions.snapshot(owner, id);
    const before = await sessions.count();
    await fixture.database.query(
      `INSERT INTO sessions (id, project, key_id, model, metadata, state, tokens, ttl_seconds, expires_at)
       SELECT 'sess-old' || n, 'default', 'k', 'm', '{}', '', 0, 1, now() - interval '1 second' FROM generate_series(1, 1200) n`,
    );
    await expire(id);
    expect(await codeOf(sessions.get(owner, id))).toEqual(['not_found', null]);
    expect((await sessions.list(owner, { limit: 10 })).data).toEqual([]);
    expect(await sessions.count()).toBe(before - 1);
    const other = await fixture.another({ migrate: false });
    const [one, two] = await Promise.all([sessions.removeExpired(), other.sessions.removeExpired()]);
    expect(one + two).toBeGreaterThanOrEqual(1201);
    const left = await fixture.database.query('SELECT id FROM sessions WHERE expires_at <= now()');
    expect(left).toEqual([]);
    expect(
      await fixture.database.query('SELECT 1 FROM session_snapshots WHERE session_id = $1', [id]),
    ).toEqual([]);
  });

  it('is listed newest first, page by page, by model id and by model name', async () => {
    const owner = newOwner();
    const named = await fixture.store.models.create('default', {
      name: 'cats',
      spec: null,
      parameters: 1,
      vocabulary_size: 1,
      path: 'models/cats',
      bytes: 1,
      sha256: 'x',
    });
    const ids: string[] = [];
    for (let k = 0; k < 5; k += 1)
      ids.unshift((await open(owner, k % 2 ? { model: named.resource.id } : {})).id);
    const first = await sessions.list(owner, { limit: 3 });
    expect(first.data.map(({ id }) => id)).toEqual(ids.slice(0, 3));
    expect(first.has_more).toBe(true);
    const rest = await sessions.list(owner, { limit: 3, after: ids[2] });
    expect(rest.data.map(({ id }) => id)).toEqual(ids.slice(3));
    expect(rest.has_more).toBe(false);
    for (const [reference, expected] of [
      [model, [0, 2, 4]],
      [named.resource.id, [1, 3]],
      ['cats', [1, 3]],
      ['dogs', []],
    ] as const) {
      const { data } = await sessions.list(owner, { limit: 10, model: reference });
      expect(data.map(({ id }) => id)).toEqual(expected.map((k) => ids[k]));
    }
  });

  it('is one of a limited number, also when many are created at the same moment', async () => {
    const owner = newOwner();
    const made = await Promise.all(
      Array.from({ length: 12 }, () => open(owner).catch((error: UnfoldError) => error.code)),
    );
    expect(made.filter((each) => each === 'session_limit')).toHaveLength(4);
    const [first] = (await sessions.list(owner, { limit: 1 })).data;
    const fork = { ttl_seconds: null, metadata: null, snapshot: null };
    expect(await codeOf(sessions.fork(owner, first!.id, fork))).toEqual(['session_limit', null]);
    await sessions.remove(owner, first!.id);
    await open(owner);
  });

  it('is created once per Idempotency-Key', async () => {
    const owner = newOwner();
    const idempotency = { key: 'once', route: 'POST /v1/sessions', request_hash: 'h' };
    const session = { model, context: null, metadata: {}, state: bytes('s'), tokens: 0, ttl_seconds: 60 };
    const first = await sessions.create(owner, session, idempotency);
    const second = await sessions.create(owner, session, idempotency);
    expect(second).toEqual({ resource: first.resource, replayed: true });
    expect((await sessions.list(owner, { limit: 10 })).data).toHaveLength(1);
  });
});

describe('forks and snapshots', () => {
  it('stand where they were made, whatever becomes of the parent', async () => {
    const owner = newOwner();
    const { id } = await open(owner, { context: 'label', metadata: { a: '1' } });
    const snapshot = (await sessions.snapshot(owner, id)).resource;
    expect(snapshotResource.parse(snapshot)).toEqual({ ...snapshot, session: id, tokens: 0, bytes: 5 });
    const { lease } = await sessions.lease(owner, id, 15_000);
    // Of what was committed, while a call is under way.
    const early = (await sessions.fork(owner, id, { ttl_seconds: 60, metadata: {}, snapshot: null }))
      .resource;
    await sessions.commit(lease, { state: bytes('grown'), tokens: 7 });
    const late = (await sessions.fork(owner, id, { ttl_seconds: null, metadata: null, snapshot: null }))
      .resource;
    const old = (await sessions.fork(owner, id, { ttl_seconds: null, metadata: null, snapshot: snapshot.id }))
      .resource;
    await sessions.remove(owner, id);
    expect(early).toMatchObject({ forked_from: id, model, context: 'label', ttl_seconds: 60, metadata: {} });
    expect(late).toMatchObject({ forked_from: id, ttl_seconds: 3600, metadata: { a: '1' }, tokens: 7 });
    expect(await read(owner, early.id)).toEqual(['start', 0]);
    expect(await read(owner, late.id)).toEqual(['grown', 7]);
    expect(await read(owner, old.id)).toEqual(['start', 0]);
  });

  it('are restored only while nobody uses the session, and only by the session itself', async () => {
    const owner = newOwner();
    const { id } = await open(owner);
    const snapshot = (await sessions.snapshot(owner, id)).resource.id;
    const { lease } = await sessions.lease(owner, id, 15_000);
    expect(await codeOf(sessions.restore(owner, id, snapshot))).toEqual(['session_busy', null]);
    await sessions.commit(lease, { state: bytes('grown'), tokens: 7 });
    expect(await sessions.restore(owner, id, snapshot)).toMatchObject({ id, tokens: 0, bytes: 5 });
    expect(await read(owner, id)).toEqual(['start', 0]);
    const other = await open(owner);
    expect(await codeOf(sessions.restore(owner, other.id, snapshot))).toEqual(['not_found', 'snapshot']);
    const fork = { ttl_seconds: null, metadata: null, snapshot };
    expect(await codeOf(sessions.fork(owner, other.id, fork))).toEqual(['not_found', 'snapshot']);
  });

  it('are limited in number, listed newest first and deleted', async () => {
    const owner = newOwner();
    const { id } = await open(owner);
    const made = await Promise.all(
      Array.from({ length: 5 }, () => sessions.snapshot(owner, id).catch((error: UnfoldError) => error.code)),
    );
    expect(made.filter((each) => each === 'snapshot_limit')).toHaveLength(2);
    const page = await sessions.snapshots(owner, id, { limit: 2 });
    expect(page.has_more).toBe(true);
    const rest = await sessions.snapshots(owner, id, { limit: 2, after: page.data[1]!.id });
    const ids = [...page.data, ...rest.data].map((each) => each.id);
    expect(ids).toEqual([...ids].sort().reverse());
    expect(ids).toHaveLength(3);
    const first = ids[0]!;
    expect(await sessions.removeSnapshot(owner, id, first)).toEqual({
      id: first,
      object: 'session.snapshot',
      deleted: true,
    });
    expect(await codeOf(sessions.removeSnapshot(owner, id, first))).toEqual(['not_found', 'snapshot']);
    await sessions.snapshot(owner, id);
  });
});
