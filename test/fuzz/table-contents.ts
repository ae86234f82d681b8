import pg from 'pg';
import type { Existing } from './placeholders.ts';

export interface TableContents {
  tables: readonly string[];
  /** A hash of each table's rows. */
  read(): Promise<Record<string, string>>;
  /** The newest ids of each table that has them. */
  existing(): Promise<Existing>;
  close(): Promise<void>;
}

const idsOfEach = 6;

/** Looks at every table of the service, so that a row that changed is noticed wherever it is. */
export const openTableContents = async (databaseUrl: string): Promise<TableContents> => {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  const { rows: columns } = await client.query<{ table_name: string; has_id: boolean }>(`
    SELECT table_name, bool_or(column_name = 'id') AS has_id FROM information_schema.columns
    WHERE table_schema = 'public' AND table_name NOT LIKE '\\_%' GROUP BY table_name ORDER BY table_name`);
  const hashes = columns
    .map(
      ({ table_name }) =>
        `SELECT '${table_name}' AS name, md5(coalesce(string_agg(md5(t::text), '' ORDER BY md5(t::text)), '')) AS hash FROM "${table_name}" t`,
    )
    .join(' UNION ALL ');
  const ids = columns
    .filter(({ has_id }) => has_id)
    .map(
      ({ table_name }) =>
        `(SELECT '${table_name}' AS name, id FROM "${table_name}" ORDER BY id DESC LIMIT ${idsOfEach})`,
    )
    .join(' UNION ALL ');
  return {
    tables: columns.filter(({ has_id }) => has_id).map(({ table_name }) => table_name),
    read: async () => {
      const { rows } = await client.query<{ name: string; hash: string }>(hashes);
      return Object.fromEntries(rows.map(({ name, hash }) => [name, hash]));
    },
    existing: async () => {
      const { rows } = await client.query<{ name: string; id: string }>(ids);
      const found = new Map<string, string[]>();
      for (const { name, id } of rows) found.set(name, [...(found.get(name) ?? []), String(id)]);
      return found;
    },
    close: () => client.end(),
  };
};
