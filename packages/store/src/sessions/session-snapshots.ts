import { UnfoldError } from '@unfold/contracts';
import { type Database, Prisma, type Statements } from '../database.ts';
import { createOnce } from '../idempotency.ts';
import { newId } from '../new-id.ts';
import { behindSql, checkAfter, directionSql, notFound, toPage } from '../pages.ts';
import { requireStorage } from '../quotas.ts';
import { busy, isFree } from './session-leases.ts';
import {
  findSession,
  type SessionRow,
  type SnapshotRow,
  sessionColumns,
  snapshotColumns,
  toSessionResource,
  toSnapshotResource,
} from './session-row.ts';
import type { SessionLimits, SessionRepository } from './sessions.ts';

/** @throws UnfoldError `not_found` with the param `snapshot` */
export const findSnapshot = async (
  queries: Statements,
  session: string,
  id: string,
): Promise<Pick<SnapshotRow, 'bytes'>> => {
  const [row] = await queries.$queryRaw<Pick<SnapshotRow, 'bytes'>[]>`
    SELECT octet_length(state) AS bytes FROM session_snapshots WHERE id = ${id} AND session_id = ${session}`;
  if (!row) throw notFound('snapshot', id, 'snapshot');
  return row;
};

const checkRoom = async (queries: Statements, session: string, limit: number): Promise<void> => {
  const [row] = await queries.$queryRaw<{ count: number }[]>`
    SELECT count(*)::int AS count FROM session_snapshots WHERE session_id = ${session}`;
  const { count } = row!;
  if (count >= limit)
    throw new UnfoldError(
      'snapshot_limit',
      `expected at most ${limit} snapshots of a session, and ${session} has ${count}: delete one first.`,
    );
};

export const createSnapshots = (
  database: Database,
  limits: SessionLimits,
): Pick<SessionRepository, 'snapshot' | 'snapshots' | 'removeSnapshot' | 'restore'> => ({
  snapshot: (owner, id, idempotency, quota = null) =>
    database.transaction((queries) =>
      createOnce(queries, owner.project, idempotency, async () => {
        // The lock keeps two from counting the same room, and the state from changing under the copy.
        const { bytes } = await findSession(queries, owner, id, { lock: true });
        await checkRoom(queries, id, limits.snapshots);
        await requireStorage(queries, quota, bytes);
        const [row] = await queries.$queryRaw<SnapshotRow[]>`
          INSERT INTO session_snapshots (id, session_id, state, tokens, created_at)
          SELECT ${newId('snap')}, id, state, tokens, clock_timestamp() FROM sessions WHERE id = ${id}
          RETURNING ${snapshotColumns}`;
        return toSnapshotResource(row!);
      }),
    ),

  snapshots: (owner, id, { limit, after, order = 'desc' }) =>
    database.run(async (queries) => {
      await findSession(queries, owner, id);
      checkAfter('snap', after);
      const rows = await queries.$queryRaw<SnapshotRow[]>`
        SELECT ${snapshotColumns} FROM session_snapshots
        WHERE session_id = ${id} ${after ? Prisma.sql`AND ${behindSql(Prisma.sql`id`, after, order)}` : Prisma.empty}
        ORDER BY id ${directionSql(order)} LIMIT ${limit + 1}`;
      return toPage(rows, limit, toSnapshotResource);
    }),

  removeSnapshot: (owner, id, snapshot) =>
    database.run(async (queries) => {
      await findSession(queries, owner, id);
      const { count } = await queries.sessionSnapshot.deleteMany({ where: { id: snapshot, session_id: id } });
      if (count === 0) throw notFound('snapshot', snapshot, 'snapshot');
      return { id: snapshot, object: 'session.snapshot', deleted: true };
    }),

  restore: (owner, id, snapshot) =>
    database.transaction(async (queries) => {
      await findSession(queries, owner, id, { lock: true });
      await findSnapshot(queries, id, snapshot);
      const [row] = await queries.$queryRaw<SessionRow[]>`
        UPDATE sessions SET (state, tokens) = (SELECT s.state, s.tokens FROM session_snapshots s WHERE s.id = ${snapshot}),
          last_used_at = clock_timestamp(),
          expires_at = clock_timestamp() + make_interval(secs => ttl_seconds)
        WHERE id = ${id} AND ${isFree}
        RETURNING ${sessionColumns}`;
      if (!row) throw busy(id);
      return toSessionResource(row);
    }),
});
