import { createHash, randomBytes } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { migrate, startEmbeddedPostgres } from '@unfold/store';
import pg from 'pg';
import { inject } from 'vitest';
import { root } from './process.ts';

export interface TestDatabase {
  databaseUrl: string;
  /** One statement on a connection of its own. */
  query<R extends pg.QueryResultRow = pg.QueryResultRow>(sql: string, values?: unknown[]): Promise<R[]>;
  /** Drops the database, whoever is still connected. */
  drop(): Promise<void>;
}

/** The server of this test run: `TEST_DATABASE_URL`, or the embedded one, started by the first test that asks. */
const findServer = async (): Promise<string> =>
  process.env.TEST_DATABASE_URL ??
  (await startEmbeddedPostgres({ dataDir: inject('postgresFolder') })).databaseUrl;

const withName = (url: string, name: string): string => {
  const changed = new URL(url);
  changed.pathname = `/${name}`;
  return changed.href;
};

const connected = async <T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> => {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
};

/** A migrated, empty database to copy from, named after the migrations that made it. */
const ensureTemplate = async (url: string): Promise<string> => {
  const folder = join(root, 'prisma', 'migrations');
  const hash = createHash('sha256');
  for (const name of (await readdir(folder)).sort())
    if (!name.endsWith('.toml'))
      hash.update(name).update(await readFile(join(folder, name, 'migration.sql')));
  const template = `unfold_template_${hash.digest('hex').slice(0, 12)}`;
  await connected(url, async (client) => {
    await client.query('SELECT pg_advisory_lock(8141)');
    const { rowCount } = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [template]);
    if (rowCount) return;
    await client.query(`CREATE DATABASE "${template}_new"`);
    await migrate(withName(url, `${template}_new`));
    await client.query(`ALTER DATABASE "${template}_new" RENAME TO "${template}"`);
  });
  return template;
};

interface TestServer {
  url: string;
  template: string;
}

/** Of this process: to look for the server starts programs, and a run asks for hundreds of databases. */
let server: Promise<TestServer> | null = null;

const openServer = async (): Promise<TestServer> => {
  const url = await findServer();
  return { url, template: await ensureTemplate(url) };
};

/** Creates a database of its own for a test file: migrated, or empty with `{ migrated: false }`. */
export const withDatabase = async ({ migrated = true } = {}): Promise<TestDatabase> => {
  const { url, template: migratedTemplate } = await (server ??= openServer());
  const name = `unfold_test_${randomBytes(6).toString('hex')}`;
  const template = migrated ? migratedTemplate : 'template1';
  await connected(url, async (client) => {
    // A database can be copied by one connection at a time.
    await client.query('SELECT pg_advisory_lock(8141)');
    await client.query(`CREATE DATABASE "${name}" TEMPLATE "${template}"`);
  });
  const databaseUrl = withName(url, name);
  return {
    databaseUrl,
    query: (sql, values = []) =>
      connected(databaseUrl, async (client) => (await client.query(sql, values)).rows as never),
    drop: () =>
      connected(url, async (client) => {
        await client.query(`DROP DATABASE IF EXISTS "${name}" WITH (FORCE)`);
      }),
  };
};
