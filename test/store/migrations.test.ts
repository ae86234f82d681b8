import { cp, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { migrate } from '@unfold/store';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type TestDatabase, withDatabase } from '../support/postgres.ts';
import { root, startProgram } from '../support/process.ts';

describe('migrations', () => {
  let database: TestDatabase;
  let folder: string;
  beforeEach(async () => {
    database = await withDatabase({ migrated: false });
    folder = await mkdtemp(join(tmpdir(), 'unfold-migrations-'));
    await cp(join(root, 'prisma', 'migrations'), folder, { recursive: true });
  });
  afterEach(async () => {
    await database.drop();
    await rm(folder, { recursive: true, force: true });
  });

  const add = async (name: string, sql: string): Promise<void> => {
    await mkdir(join(folder, name), { recursive: true });
    await writeFile(join(folder, name, 'migration.sql'), sql);
  };

  it('are applied once each and leave the rows that Prisma would write', async () => {
    const first = await migrate(database.databaseUrl);
    expect(first.length).toBeGreaterThan(0);
    expect(await migrate(database.databaseUrl)).toEqual([]);
    const rows = await database.query('SELECT * FROM _prisma_migrations ORDER BY started_at');
    expect(rows.map((row) => row.migration_name)).toEqual(first);
    for (const row of rows)
      expect(row).toMatchObject({
        checksum: expect.stringMatching(/^[0-9a-f]{64}$/),
        finished_at: expect.any(Date),
        rolled_back_at: null,
        applied_steps_count: 1,
      });
  });

  it('are applied by one of five processes that start at once', async () => {
    const programs = Array.from({ length: 5 }, () =>
      startProgram('test/store/programs/migrate.mjs', { arguments: [database.databaseUrl] }),
    );
    expect(await Promise.all(programs.map((program) => program.ended))).toEqual([0, 0, 0, 0, 0]);
    const applied = programs.map((program) => JSON.parse(program.output()) as string[]);
    expect(applied.filter((names) => names.length > 0)).toHaveLength(1);
  });

  it('keep nothing of one that fails, and go on once it is mended', async () => {
    await migrate(database.databaseUrl, folder);
    await add('29990101000000_broken', 'CREATE TABLE half (id int); SELECT broken;');
    await expect(migrate(database.databaseUrl, folder)).rejects.toThrow('29990101000000_broken failed');
    expect(await database.query("SELECT to_regclass('half') AS half")).toEqual([{ half: null }]);
    await add('29990101000000_broken', 'CREATE TABLE half (id int);');
    expect(await migrate(database.databaseUrl, folder)).toEqual(['29990101000000_broken']);
  });

  it('take a device that is no kind of device out of specs, and leave the rest as it was written', async () => {
    const names = (await readdir(folder)).filter((name) => /^\d/.test(name) && name >= '20261123000700');
    for (const name of names) await rm(join(folder, name), { recursive: true });
    await migrate(database.databaseUrl, folder);
    const spec = (device: string | null) => ({ seed: 1.5e-7, file: 'f', device, 'é"': { b: [null], a: {} } });
    for (const [id, device] of [['tower'], ['cpu', 'cpu'], ['gpu', 'gpu'], ['any', null]] as const) {
      const text = JSON.stringify(spec(device === undefined ? id : device));
      await database.query(
        `INSERT INTO jobs (id, project, status, spec, metadata, priority, file) VALUES ($1, 'p', 'paused', $2, '{}', 0, 'f')`,
        [id, text],
      );
      await database.query(
        `INSERT INTO models (id, project, spec, parameters, vocabulary_size, path, bytes, sha256) VALUES ($1, 'p', $2, 1, 1, $1, 1, '')`,
        [id, text],
      );
    }
    await migrate(database.databaseUrl);
    for (const table of ['jobs', 'models']) {
      const rows = await database.query(`SELECT id, spec FROM ${table} ORDER BY id`);
      expect(rows.map((row) => [row.id, JSON.stringify(row.spec)])).toEqual([
        ['any', JSON.stringify(spec(null))],
        ['cpu', JSON.stringify(spec('cpu'))],
        ['gpu', JSON.stringify(spec('gpu'))],
        ['tower', JSON.stringify(spec(null))],
      ]);
    }
  });

  it('refuse a migration that was changed, and a database of a newer version', async () => {
    await add('29990101000000_next', 'CREATE TABLE next (id int);');
    await migrate(database.databaseUrl, folder);
    await expect(migrate(database.databaseUrl)).rejects.toThrow('newer version');
    await add('29990101000000_next', 'CREATE TABLE next (id bigint);');
    await expect(migrate(database.databaseUrl, folder)).rejects.toThrow('was changed after it was applied');
  });
});
