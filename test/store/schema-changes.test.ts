import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDatabase, type Statements } from '../../packages/store/src/database.ts';
import { createJob, openFixture, type StoreFixture } from './fixture.ts';

const connections = 4;

describe('a store whose tables change while it runs', () => {
  let fixture: StoreFixture;
  beforeAll(async () => {
    fixture = await openFixture({ connections });
  });
  afterAll(() => fixture?.remove());

  /** Runs on as many connections at once as there are, so that each has prepared its statements. */
  const onAll = <T>(work: () => Promise<T>): Promise<T[]> =>
    Promise.all(Array.from({ length: connections * 2 }, work));

  it('goes on with its transactions', async () => {
    const { store, database } = fixture;
    const cancel = async () => {
      const { id } = await createJob(store);
      await store.jobs.request('default', id, 'cancel');
      return (await store.jobs.get('default', id)).status;
    };
    const cancelled = Array.from({ length: connections * 2 }, () => 'cancelled');
    expect(await onAll(cancel)).toEqual(cancelled);
    await database.query('ALTER TABLE jobs ALTER COLUMN error TYPE jsonb USING error::jsonb');
    expect(await cancel()).toBe('cancelled');
    expect(await onAll(cancel)).toEqual(cancelled);
  });

  it('goes on with single statements', async () => {
    const { store, database } = fixture;
    const list = async () => (await store.jobs.list('default', { limit: 1 })).data.length;
    const ones = Array.from({ length: connections * 2 }, () => 1);
    expect(await onAll(list)).toEqual(ones);
    await database.query('ALTER TABLE jobs ALTER COLUMN spec TYPE jsonb USING spec::jsonb');
    expect(await list()).toBe(1);
    expect(await onAll(list)).toEqual(ones);
  });

  it('goes on where a connection has lost what it prepared, as behind a pooler', async () => {
    const { databaseUrl } = fixture.database;
    const database = openDatabase({ databaseUrl, connections: 1, log: () => undefined });
    const select = (queries: Statements) => queries.$queryRaw<{ n: number }[]>`SELECT 7 AS n`;
    const forget = () => database.run((queries) => queries.$executeRaw`DEALLOCATE ALL`);
    try {
      for (const run of [database.run, database.transaction]) {
        expect(await run(select)).toEqual([{ n: 7 }]);
        await forget();
        expect(await run(select)).toEqual([{ n: 7 }]);
      }
    } finally {
      await database.close();
    }
  });
});
