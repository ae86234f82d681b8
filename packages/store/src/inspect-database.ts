import pg from 'pg';
import { translateError } from './database-errors.ts';
import { pendingMigrations } from './migrate.ts';

/** The oldest PostgreSQL that has every function that statements here use. */
const oldest = 14;

/**
 * Connects once and looks whether this server can keep what Unfold keeps. Changes nothing.
 * @returns its version, and the migrations that the first process to start will apply
 * @throws when it cannot be reached, is too old, or belongs to another version of Unfold
 */
export const inspectDatabase = async (
  databaseUrl: string,
): Promise<{ version: string; pending: string[] }> => {
  const client = new pg.Client({ connectionString: databaseUrl, connectionTimeoutMillis: 5000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<{ server_version: string }>('SHOW server_version');
    const version = rows[0]?.server_version ?? '';
    if (Number.parseInt(version, 10) < oldest)
      throw new Error(`PostgreSQL ${version} is too old: ${oldest} or newer is needed.`);
    return { version, pending: (await pendingMigrations(client)).map(({ name }) => name) };
  } catch (error) {
    throw translateError(error);
  } finally {
    await client.end().catch(() => undefined);
  }
};
