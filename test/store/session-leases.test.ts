import type { UnfoldError } from '@unfold/contracts';
import { describe, expect, it } from 'vitest';
import {
  bytes,
  codeOf,
  expire,
  expireLease,
  fixture,
  model,
  newOwner,
  open,
  openSessions,
  read,
  sessions,
} from './open-sessions.ts';

openSessions();

describe('a lease', () => {
  it('is held by one of many at a time, whatever process they are in', async () => {
    const owner = newOwner();
    const { id } = await open(owner);
    const other = await fixture.another({ migrate: false });
    const attempts = await Promise.all(
      Array.from({ length: 20 }, (_, k) =>
        (k % 2 ? sessions : other.sessions)
          .lease(owner, id, 15_000)
          .catch((error: UnfoldError) => error.code),
      ),
    );
    const held = attempts.filter((attempt) => typeof attempt !== 'string');
    expect(held).toHaveLength(1);
    expect(attempts.filter((attempt) => attempt === 'session_busy')).toHaveLength(19);
    expect(await codeOf(sessions.lease(owner, id, 15_000))).toEqual(['session_busy', null]);
    await sessions.release(held[0]!.lease);
    expect(await other.sessions.lease(owner, id, 15_000)).toMatchObject({ model, tokens: 0 });
  });

  it('commits once, and then is over', async () => {
    const owner = newOwner();
    const { id } = await open(owner);
    const { lease } = await sessions.lease(owner, id, 15_000);
    expect(await sessions.commit(lease, { state: bytes('one'), tokens: 3 })).toBe('committed');
    expect(await sessions.commit(lease, { state: bytes('two'), tokens: 6 })).toBe('taken_over');
    expect(await sessions.renew(lease, 15_000)).toBe(false);
    expect(await read(owner, id)).toEqual(['one', 3]);
    expect(await sessions.lease(owner, id, 15_000)).toMatchObject({ tokens: 3 });
  });

  it('that ran out can be taken over, and then commits, renews and releases nothing', async () => {
    const owner = newOwner();
    const { id } = await open(owner);
    const { lease: stalled } = await sessions.lease(owner, id, 15_000);
    await expireLease(id);
    const { lease: successor, tokens } = await sessions.lease(owner, id, 15_000);
    expect(tokens).toBe(0);
    expect(await sessions.renew(stalled, 15_000)).toBe(false);
    await sessions.release(stalled);
    expect(await codeOf(sessions.lease(owner, id, 15_000))).toEqual(['session_busy', null]);
    expect(await sessions.commit(stalled, { state: bytes('stale'), tokens: 9 })).toBe('taken_over');
    expect(await read(owner, id)).toEqual(['start', 0]);
    expect(await sessions.commit(successor, { state: bytes('fresh'), tokens: 2 })).toBe('committed');
    expect(await sessions.commit(stalled, { state: bytes('stale'), tokens: 9 })).toBe('taken_over');
    expect(await read(owner, id)).toEqual(['fresh', 2]);
  });

  it('that ran out still commits when nobody has taken the session since', async () => {
    const owner = newOwner();
    const { id } = await open(owner);
    const { lease } = await sessions.lease(owner, id, 15_000);
    await expireLease(id);
    expect(await sessions.commit(lease, { state: bytes('late'), tokens: 4 })).toBe('committed');
    expect(await read(owner, id)).toEqual(['late', 4]);
  });

  it('is prolonged by renewing it', async () => {
    const owner = newOwner();
    const { id } = await open(owner);
    const { lease } = await sessions.lease(owner, id, 15_000);
    await expireLease(id);
    expect(await sessions.renew(lease, 15_000)).toBe(true);
    expect(await codeOf(sessions.lease(owner, id, 15_000))).toEqual(['session_busy', null]);
  });

  it('keeps the session from expiring, whose life begins anew after it', async () => {
    const owner = newOwner();
    const { id } = await open(owner, { ttl_seconds: 20 });
    const { lease } = await sessions.lease(owner, id, 60_000);
    const { expires_at } = await sessions.get(owner, id);
    expect(Date.parse(expires_at)).toBeGreaterThan(Date.now() + 30_000);
    expect(await sessions.commit(lease, { state: bytes('x'), tokens: 1 })).toBe('committed');
    const used = await sessions.get(owner, id);
    expect(Date.parse(used.expires_at) - Date.parse(used.last_used_at)).toBe(20_000);
  });

  it('has nothing to commit to when the session was deleted or has expired meanwhile', async () => {
    const owner = newOwner();
    for (const end of [(id: string) => sessions.remove(owner, id), expire]) {
      const { id } = await open(owner);
      const { lease } = await sessions.lease(owner, id, 15_000);
      await end(id);
      expect(await sessions.renew(lease, 15_000)).toBe(false);
      expect(await sessions.commit(lease, { state: bytes('x'), tokens: 1 })).toBe('gone');
      expect(await codeOf(sessions.get(owner, id))).toEqual(['not_found', null]);
    }
  });
});
