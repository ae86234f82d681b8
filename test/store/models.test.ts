import { modelResource } from '@unfold/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addCheckpoint, claim, createJob, openFixture, type StoreFixture, succeed } from './fixture.ts';

let fixture: StoreFixture;
beforeAll(async () => {
  fixture = await openFixture();
});
afterAll(() => fixture.remove());

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
