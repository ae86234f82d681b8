import { UnfoldError } from '@unfold/contracts';
import { toJson } from '../clean-json.ts';
import { type Database, Prisma, type Statements } from '../database.ts';
import { createOnce } from '../idempotency.ts';
import { newId } from '../new-id.ts';
import { behindSql, checkAfter, directionSql, notFound, toPage } from '../pages.ts';
import { requireStorage } from '../quotas.ts';
import { createLeases } from './session-leases.ts';
import { findSession, type SessionRow, sessionColumns, toSessionResource, visibleTo } from './session-row.ts';
import { createSnapshots, findSnapshot } from './session-snapshots.ts';
import type { KeptState, SessionLimits, SessionOwner, SessionRepository } from './sessions.ts';

const sweepBatch = 500;

/** Counts under a lock of the owner's, so that calls at the same moment do not share the last place. */
const checkRoom = async (queries: Statements, owner: SessionOwner, limit: number): Promise<void> => {
  const name = JSON.stringify(['sessions', owner.project, owner.key]);
  await queries.$queryRaw`SELECT 1 FROM pg_advisory_xact_lock(hashtextextended(${name}, 0))`;
  const [row] = await queries.$queryRaw<{ count: number }[]>`
    SELECT count(*)::int AS count FROM sessions WHERE ${visibleTo(owner)}`;
  if (row!.count >= limit)
    throw new UnfoldError(
      'session_limit',
      `expected at most ${limit} sessions of an API key, and this one has ${row!.count}: delete one first.`,
    );
};

/** By a model's id, also of one that was deleted, or by the name of any number of models. */
const ofModel = (project: string, reference: string): Prisma.Sql =>
  Prisma.sql`(model = ${reference}
    OR model IN (SELECT id FROM models WHERE project = ${project} AND name = ${reference}))`;

const removeBatch = (queries: Statements): Promise<number> => queries.$executeRaw`
  DELETE FROM sessions WHERE id IN
    (SELECT id FROM sessions WHERE expires_at <= clock_timestamp() LIMIT ${sweepBatch} FOR UPDATE SKIP LOCKED)`;

export const createSessionRepository = (database: Database, limits: SessionLimits): SessionRepository => ({
  ...createLeases(database),
  ...createSnapshots(database, limits),

  create: (owner, { model, context, metadata, state, tokens, ttl_seconds }, idempotency, quota = null) =>
    database.transaction((queries) =>
      createOnce(queries, owner.project, idempotency, async () => {
        await checkRoom(queries, owner, limits.perKey);
        await requireStorage(queries, quota, state.length);
        const contextJson = context === null ? null : toJson(context);
        const [row] = await queries.$queryRaw<SessionRow[]>`
          INSERT INTO sessions (id, project, key_id, model, context, metadata, state, tokens, ttl_seconds,
            created_at, last_used_at, expires_at)
          VALUES (${newId('sess')}, ${owner.project}, ${owner.key}, ${model}, ${contextJson}::json,
            ${toJson(metadata)}::json, ${state}, ${BigInt(tokens)}, ${ttl_seconds}::int,
            clock_timestamp(), clock_timestamp(), clock_timestamp() + make_interval(secs => ${ttl_seconds}::int))
          RETURNING ${sessionColumns}`;
        return toSessionResource(row!);
      }),
    ),

  get: (owner, id) =>
    database.run(async (queries) => toSessionResource(await findSession(queries, owner, id))),

  list: (owner, { limit, after, order = 'desc', model }) =>
    database.run(async (queries) => {
      checkAfter('sess', after);
      const conditions = [visibleTo(owner)];
      if (after) conditions.push(behindSql(Prisma.sql`id`, after, order));
      if (model !== undefined) conditions.push(ofModel(owner.project, model));
      const rows = await queries.$queryRaw<SessionRow[]>`
        SELECT ${sessionColumns} FROM sessions WHERE ${Prisma.join(conditions, ' AND ')}
        ORDER BY id ${directionSql(order)} LIMIT ${limit + 1}`;
      return toPage(rows, limit, toSessionResource);
    }),

  remove: (owner, id) =>
    database.run(async (queries) => {
      const removed =
        await queries.$executeRaw`DELETE FROM sessions WHERE id = ${id} AND ${visibleTo(owner)}`;
      if (removed === 0) throw notFound('session', id);
      return { id, object: 'session', deleted: true };
    }),

  state: (owner, id) =>
    database.run(async (queries): Promise<KeptState> => {
      const [row] = await queries.$queryRaw<{ state: Uint8Array; tokens: bigint }[]>`
        SELECT state, tokens FROM sessions WHERE id = ${id} AND ${visibleTo(owner)}`;
      if (!row) throw notFound('session', id);
      return { state: row.state, tokens: Number(row.tokens) };
    }),

  fork: (owner, id, { ttl_seconds, metadata, snapshot }, idempotency, quota = null) =>
    database.transaction((queries) =>
      createOnce(queries, owner.project, idempotency, async () => {
        const parent = await findSession(queries, owner, id);
        const { bytes } = snapshot === null ? parent : await findSnapshot(queries, id, snapshot);
        await checkRoom(queries, owner, limits.perKey);
        await requireStorage(queries, quota, bytes);
        const from = snapshot === null ? Prisma.sql`sessions f` : Prisma.sql`session_snapshots f`;
        const metadataJson = metadata && toJson(metadata);
        const [row] = await queries.$queryRaw<SessionRow[]>`
          INSERT INTO sessions (id, project, key_id, model, context, metadata, forked_from, state, tokens,
            ttl_seconds, created_at, last_used_at, expires_at)
          SELECT ${newId('sess')}, p.project, p.key_id, p.model, p.context, coalesce(${metadataJson}::json, p.metadata),
            p.id, f.state, f.tokens, coalesce(${ttl_seconds}::int, p.ttl_seconds), clock_timestamp(),
            clock_timestamp(), clock_timestamp() + make_interval(secs => coalesce(${ttl_seconds}::int, p.ttl_seconds))
          FROM sessions p, ${from} WHERE p.id = ${id} AND f.id = ${snapshot ?? id}
          RETURNING ${sessionColumns}`;
        // Deleted in between.
        if (!row) throw notFound('session', id);
        return toSessionResource(row);
      }),
    ),

  async removeExpired() {
    let removed = 0;
    for (let batch = sweepBatch; batch === sweepBatch; removed += batch)
      batch = await database.run(removeBatch);
    return removed;
  },

  count: () =>
    database.run(async (queries) => {
      const [row] = await queries.$queryRaw<{ count: number }[]>`
        SELECT count(*)::int AS count FROM sessions WHERE expires_at > clock_timestamp()`;
      return row!.count;
    }),
});
