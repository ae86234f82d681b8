import pg from 'pg';
import { Prisma } from './generated/client.ts';

/** What runs statements that are written by hand. Prisma's own clients do, too. */
export type Statements = Pick<Prisma.TransactionClient, '$queryRaw' | '$executeRaw'>;

/** So many statements are prepared on each connection, each of some kilobytes: all of ours, and not what somebody composes without end. */
const mostPrepared = 300;

/** The largest `integer` of PostgreSQL. What a client may ask beyond it lies behind every frame and every step. */
export const largestInteger = 2 ** 31 - 1;

const names = new Map<string, string>();

/** One name for each text, in all pools of the process; undefined: this one is planned anew each time. */
const nameOf = (text: string): string | undefined => {
  const known = names.get(text);
  if (known !== undefined || names.size >= mostPrepared) return known;
  const name = `unfold_${names.size}`;
  names.set(text, name);
  return name;
};

const { builtins } = pg.types;

/** What Prisma makes of these types as well. Bytes are copied, since node-postgres takes them from a buffer that others share. */
const parsers = new Map<number, (text: string) => unknown>([
  [builtins.INT8, BigInt],
  [builtins.BYTEA, (text) => Uint8Array.from(Buffer.from(text.slice(2), 'hex'))],
]);

const types = {
  getTypeParser: (oid: number, format?: 'text' | 'binary') =>
    (format !== 'binary' && parsers.get(oid)) || pg.types.getTypeParser(oid, format as 'text'),
} as pg.CustomTypesConfig;

/**
 * Sends statements straight to node-postgres, prepared: PostgreSQL plans each once a connection, and the work of Prisma's client, which
 * takes longer than most statements do, is saved. They take and give the same values as through Prisma.
 * @param query sends one statement
 * @param prepares asked before each: false where connections do not keep what is prepared
 */
export const createStatements = (
  query: (config: pg.QueryConfig) => Promise<pg.QueryResult>,
  prepares: () => boolean,
): Statements => {
  const send = (source: TemplateStringsArray | Prisma.Sql, values: readonly unknown[]) => {
    const sql = source instanceof Prisma.Sql ? source : Prisma.sql(source, ...values);
    const { text } = sql;
    const name = prepares() ? nameOf(text) : undefined;
    return query({ text, values: sql.values, types, ...(name === undefined ? {} : { name }) });
  };
  return {
    $queryRaw: async (source: TemplateStringsArray | Prisma.Sql, ...values: unknown[]) =>
      (await send(source, values)).rows,
    $executeRaw: async (source: TemplateStringsArray | Prisma.Sql, ...values: unknown[]) =>
      (await send(source, values)).rowCount ?? 0,
  } as Statements;
};
