import type { SessionResource, SnapshotResource } from '@unfold/contracts';
import { Prisma, type Statements } from '../database.ts';
import { notFound } from '../pages.ts';
import type { SessionOwner } from './sessions.ts';

/** A session without its state, which is only read where it is used. */
export interface SessionRow {
  id: string;
  model: string;
  context: SessionResource['context'];
  metadata: SessionResource['metadata'];
  forked_from: string | null;
  tokens: bigint;
  bytes: number;
  ttl_seconds: number;
  created_at: Date;
  last_used_at: Date;
  expires_at: Date;
}

export interface SnapshotRow {
  id: string;
  session_id: string;
  tokens: bigint;
  bytes: number;
  created_at: Date;
}

export const sessionColumns = Prisma.sql`
  id, model, context, metadata, forked_from, tokens, octet_length(state) AS bytes, ttl_seconds, created_at,
  last_used_at, expires_at`;

export const snapshotColumns = Prisma.sql`id, session_id, tokens, octet_length(state) AS bytes, created_at`;

/** What an owner can see. Expired is as good as deleted, whenever it is swept. */
export const visibleTo = ({ project, key }: SessionOwner): Prisma.Sql =>
  Prisma.sql`project = ${project} AND key_id = ${key} AND expires_at > clock_timestamp()`;

export const toSessionResource = (row: SessionRow): SessionResource => ({
  id: row.id,
  object: 'session',
  model: row.model,
  tokens: Number(row.tokens),
  context: row.context,
  forked_from: row.forked_from,
  bytes: row.bytes,
  ttl_seconds: row.ttl_seconds,
  created_at: row.created_at.toISOString(),
  last_used_at: row.last_used_at.toISOString(),
  expires_at: row.expires_at.toISOString(),
  metadata: row.metadata,
});

export const toSnapshotResource = (row: SnapshotRow): SnapshotResource => ({
  id: row.id,
  object: 'session.snapshot',
  session: row.session_id,
  tokens: Number(row.tokens),
  bytes: row.bytes,
  created_at: row.created_at.toISOString(),
});

/**
 * @param lock whether the row stays as it is until the transaction ends
 * @throws UnfoldError `not_found`
 */
export const findSession = async (
  queries: Statements,
  owner: SessionOwner,
  id: string,
  { lock = false } = {},
): Promise<SessionRow> => {
  const [row] = await queries.$queryRaw<SessionRow[]>`
    SELECT ${sessionColumns} FROM sessions WHERE id = ${id} AND ${visibleTo(owner)}
    ${lock ? Prisma.sql`FOR UPDATE` : Prisma.empty}`;
  if (!row) throw notFound('session', id);
  return row;
};
