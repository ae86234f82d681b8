import { createHash, randomUUID } from 'node:crypto';
import { access, readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { UnfoldError } from '@unfold/contracts';
import pg from 'pg';
import { translateError } from './database-errors.ts';

interface Migration {
  name: string;
  sql: string;
  checksum: string;
}

interface AppliedRow {
  migration_name: string;
  checksum: string;
  finished_at: Date | null;
  rolled_back_at: Date | null;
}

/** Prisma's own advisory lock, so that `prisma migrate` and this runner exclude each other. */
const migrationLock = 72_707_369;

const createMigrationsTable = `
  CREATE TABLE IF NOT EXISTS "_prisma_migrations" (
    "id" VARCHAR(36) PRIMARY KEY NOT NULL,
    "checksum" VARCHAR(64) NOT NULL,
    "finished_at" TIMESTAMPTZ,
    "migration_name" VARCHAR(255) NOT NULL,
    "logs" TEXT,
    "rolled_back_at" TIMESTAMPTZ,
    "started_at" TIMESTAMPTZ NOT NULL DEFAULT now(),
    "applied_steps_count" INTEGER NOT NULL DEFAULT 0
  )`;

/** `prisma/migrations` of this checkout or image: the nearest one above this file. */
export const findMigrations = async (from: string = import.meta.dirname): Promise<string> => {
  for (let folder = from; ; folder = dirname(folder)) {
    const candidate = join(folder, 'prisma', 'migrations');
    const found = await access(join(candidate, 'migration_lock.toml')).then(
      () => true,
      () => false,
    );
    if (found) return candidate;
    if (dirname(folder) === folder)
      throw new Error(`Expected a folder prisma/migrations beside packages/, but none lies above ${from}.`);
  }
};

const readMigrations = async (folder: string): Promise<Migration[]> => {
  const entries = await readdir(folder, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  return Promise.all(
    names.sort().map(async (name) => {
      const sql = await readFile(join(folder, name, 'migration.sql'), 'utf8');
      return { name, sql, checksum: createHash('sha256').update(sql).digest('hex') };
    }),
  );
};

/** What is still to apply; throws if the database was made by something else than these migrations. */
const stillToApply = (migrations: Migration[], rows: AppliedRow[]): Migration[] => {
  const applied = new Map<string, AppliedRow>();
  for (const row of rows) if (row.rolled_back_at === null) applied.set(row.migration_name, row);
  for (const row of applied.values()) {
    const known = migrations.find((migration) => migration.name === row.migration_name);
    if (row.finished_at === null)
      throw new Error(`Migration ${row.migration_name} was begun by another tool and never finished.`);
    if (!known)
      throw new Error(
        `The database has migration ${row.migration_name}, which this version does not know: it was used by a newer version of Unfold.`,
      );
    if (known.checksum !== row.checksum)
      throw new Error(
        `Migration ${row.migration_name} was changed after it was applied: expected sha256 ${row.checksum}, but its file has ${known.checksum}.`,
      );
  }
  return migrations.filter((migration) => !applied.has(migration.name));
};

const readApplied = async (client: pg.Client): Promise<AppliedRow[]> => {
  const { rows } = await client.query<AppliedRow>(
    'SELECT migration_name, checksum, finished_at, rolled_back_at FROM "_prisma_migrations" ORDER BY started_at',
  );
  return rows;
};

/** What {@link migrate} would apply to the database of a connection; throws as it does. */
export const pendingMigrations = async (client: pg.Client): Promise<Pick<Migration, 'name'>[]> => {
  const { rows } = await client.query<{ table: string | null }>(
    `SELECT to_regclass('"_prisma_migrations"') AS table`,
  );
  const applied = rows[0]?.table ? await readApplied(client) : [];
  return stillToApply(await readMigrations(await findMigrations()), applied);
};

const apply = async (client: pg.Client, migration: Migration): Promise<void> => {
  await client.query('BEGIN');
  try {
    await client.query(migration.sql);
    await client.query(
      `INSERT INTO "_prisma_migrations" (id, checksum, migration_name, started_at, finished_at, applied_steps_count)
       VALUES ($1, $2, $3, now(), clock_timestamp(), 1)`,
      [randomUUID(), migration.checksum, migration.name],
    );
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined);
    throw new Error(`Migration ${migration.name} failed; nothing of it was kept.`, { cause: error });
  }
};

/**
 * Brings the database to the newest schema, each migration in a transaction of its own. Processes that start at the
 * same time wait for the first. The rows in `_prisma_migrations` are those that `prisma migrate deploy` would write.
 * @returns the names of the migrations that were applied now
 */
export const migrate = async (databaseUrl: string, folder?: string): Promise<string[]> => {
  const migrations = await readMigrations(folder ?? (await findMigrations()));
  const client = new pg.Client({ connectionString: databaseUrl, connectionTimeoutMillis: 10_000 });
  // Without a listener a connection that breaks between two queries would end the process.
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query('SELECT pg_advisory_lock($1)', [migrationLock]);
    await client.query(createMigrationsTable);
    const pending = stillToApply(migrations, await readApplied(client));
    for (const migration of pending) await apply(client, migration);
    return pending.map((migration) => migration.name);
  } catch (error) {
    const known = translateError(error);
    throw known instanceof UnfoldError ? known : error;
  } finally {
    // Ending the session also gives the lock back.
    await client.end().catch(() => undefined);
  }
};
