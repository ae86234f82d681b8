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
});

describe('a store behind a pooler that hands its connections on after each transaction', () => {
  let fixture: StoreFixture;
  beforeAll(async () => {
    fixture = await openFixture();
  });
  afterAll(() => fixture?.remove());

  /** What another client of the pooler leaves to the next one on the same connection. */
  const others = {
    'has lost what was prepared on it': (queries: Statements) => queries.$executeRaw`DEALLOCATE ALL`,
    'has statements of the same names that others prepared': (queries: Statements) =>
      queries.$executeRaw`
        DO $$ DECLARE k int; BEGIN
          FOR k IN 0..299 LOOP
            IF NOT EXISTS (SELECT 1 FROM pg_prepared_statements WHERE name = 'unfold_' || k)
            THEN EXECUTE 'PREPARE unfold_' || k || ' AS SELECT 8 AS n'; END IF;
          END LOOP;
        END $$`,
  };
  type Way = 'run' | 'transaction';

  it.each(
    Object.entries(others).flatMap(([what, meddle]) =>
      (['run', 'transaction'] as Way[]).map((way) => ({ what, meddle, way })),
    ),
  )('goes on without preparing where a connection $what: $way', async ({ meddle, way }) => {
    const { databaseUrl } = fixture.database;
    const said: string[] = [];
    const database = openDatabase({ databaseUrl, connections: 1, log: (message) => said.push(message) });
    const before = (queries: Statements) => queries.$queryRaw`SELECT 7 AS n`;
    const after = (queries: Statements) => queries.$queryRaw`SELECT 9 AS n`;
    try {
      expect(await database[way](before)).toEqual([{ n: 7 }]);
      await database.run(meddle);
      for (let time = 1; time <= 2; time += 1) {
        expect(await database[way](after)).toEqual([{ n: 9 }]);
        expect(await database[way](before)).toEqual([{ n: 7 }]);
      }
      expect(said.filter((message) => message.includes('pooler'))).toHaveLength(1);
    } finally {
      await database.close();
    }
  });
});
