import { randomUUID } from 'node:crypto';
import { type SessionResource, UnfoldError } from '@unfold/contracts';
import { type Database, Prisma } from '../database.ts';
import { findSession, visibleTo } from './session-row.ts';
import type { SessionRepository } from './sessions.ts';

const seconds = (milliseconds: number): Prisma.Sql =>
  Prisma.sql`make_interval(secs => ${milliseconds / 1000}::float8)`;

/** Nobody holds the session, or whoever did has let the lease run out. */
export const isFree = Prisma.sql`(lease_token IS NULL OR lease_expires_at <= clock_timestamp())`;

/** A session that was just used lives so long again. */
const prolonged = Prisma.sql`clock_timestamp() + make_interval(secs => ttl_seconds)`;

export const busy = (id: string): UnfoldError =>
  new UnfoldError('session_busy', `Another call is using session ${id}: try again when it has ended.`);

interface LeasedRow {
  model: string;
  context: SessionResource['context'];
  state: Uint8Array;
  tokens: bigint;
}

/** Each is one statement that compares and sets, so that of any number of processes one wins. */
export const createLeases = (
  database: Database,
): Pick<SessionRepository, 'lease' | 'renew' | 'commit' | 'release'> => ({
  lease: (owner, id, lease_ms) =>
    database.run(async (queries) => {
      const token = randomUUID();
      const [row] = await queries.$queryRaw<LeasedRow[]>`
        UPDATE sessions SET lease_token = ${token}, lease_expires_at = clock_timestamp() + ${seconds(lease_ms)},
          expires_at = greatest(expires_at, clock_timestamp() + ${seconds(lease_ms)})
        WHERE id = ${id} AND ${visibleTo(owner)} AND ${isFree}
        RETURNING model, context, state, tokens`;
      if (row) return { ...row, tokens: Number(row.tokens), lease: { session: id, token } };
      await findSession(queries, owner, id);
      throw busy(id);
    }),

  renew: ({ session, token }, lease_ms) =>
    database.run(async (queries) => {
      const renewed = await queries.$executeRaw`
        UPDATE sessions SET lease_expires_at = clock_timestamp() + ${seconds(lease_ms)},
          expires_at = greatest(expires_at, clock_timestamp() + ${seconds(lease_ms)})
        WHERE id = ${session} AND lease_token = ${token} AND expires_at > clock_timestamp()`;
      return renewed > 0;
    }),

  commit: ({ session, token }, { state, tokens }) =>
    database.run(async (queries) => {
      // A lease that has run out, and that nobody has taken since, still commits: nothing came in between.
      const committed = await queries.$executeRaw`
        UPDATE sessions SET state = ${state}, tokens = ${BigInt(tokens)}, last_used_at = clock_timestamp(),
          expires_at = ${prolonged}, lease_token = NULL, lease_expires_at = NULL
        WHERE id = ${session} AND lease_token = ${token} AND expires_at > clock_timestamp()`;
      if (committed > 0) return 'committed';
      const [row] = await queries.$queryRaw<object[]>`
        SELECT id FROM sessions WHERE id = ${session} AND expires_at > clock_timestamp()`;
      return row ? 'taken_over' : 'gone';
    }),

  release: ({ session, token }) =>
    database.run(async (queries) => {
      await queries.$executeRaw`
        UPDATE sessions SET lease_token = NULL, lease_expires_at = NULL
        WHERE id = ${session} AND lease_token = ${token} AND expires_at > clock_timestamp()`;
    }),
});
