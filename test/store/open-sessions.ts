import type { UnfoldError } from '@unfold/contracts';
import { newId, type SessionOwner, type SessionRepository } from '@unfold/store';
import { afterAll, beforeAll } from 'vitest';
import { openFixture, type StoreFixture } from './fixture.ts';

/** The store of the test file that calls `openSessions`. */
export let fixture: StoreFixture;
export let sessions: SessionRepository;

/** Opens the store before the first test of the file that calls this, and removes it after the last. */
export const openSessions = (): void => {
  beforeAll(async () => {
    fixture = await openFixture({ sessionLimits: { perKey: 8, snapshots: 3 } });
    ({ sessions } = fixture.store);
  });
  afterAll(() => fixture.remove());
};

export const model = newId('model');
export const bytes = (text: string) => new Uint8Array(Buffer.from(text));
let owners = 0;
export const newOwner = (): SessionOwner => ({ project: 'default', key: `key-${++owners}` });
export const open = async (owner: SessionOwner, more: object = {}) =>
  (
    await sessions.create(owner, {
      model,
      context: null,
      metadata: {},
      state: bytes('start'),
      tokens: 0,
      ttl_seconds: 3600,
      ...more,
    })
  ).resource;
export const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => 'no error',
    (error: UnfoldError) => [error.code, error.param],
  );
export const read = async (owner: SessionOwner, id: string) => {
  const { state, tokens } = await sessions.state(owner, id);
  return [Buffer.from(state).toString(), tokens];
};
export const expireLease = (id: string) =>
  fixture.database.query("UPDATE sessions SET lease_expires_at = now() - interval '1 second' WHERE id = $1", [
    id,
  ]);
export const expire = (id: string) =>
  fixture.database.query("UPDATE sessions SET expires_at = now() - interval '1 second' WHERE id = $1", [id]);
