import { keyResource } from '@unfold/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openFixture, type StoreFixture } from './fixture.ts';

let fixture: StoreFixture;
beforeAll(async () => {
  fixture = await openFixture();
});
afterAll(() => fixture.remove());

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
