import { UnfoldError } from '@unfold/contracts';
import type { Statements } from './database.ts';
import type { Quota } from './repositories.ts';

/** Held until the transaction ends, so that two requests with one key cannot both take the last of it. */
const lockKey = (queries: Statements, { key_id }: Quota): Promise<unknown> =>
  queries.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended(${`quota ${key_id}`}, 0))`;

const storedBytes = async (queries: Statements, keyId: string): Promise<number> => {
  const [row] = await queries.$queryRaw<{ bytes: bigint }[]>`
    SELECT (
      (SELECT coalesce(sum(bytes), 0) FROM files WHERE key_id = ${keyId})
      + (SELECT coalesce(sum(bytes), 0) FROM models WHERE key_id = ${keyId})
      + (SELECT coalesce(sum(c.bytes), 0) FROM checkpoints c JOIN jobs j ON j.id = c.job_id WHERE j.key_id = ${keyId})
      + (SELECT coalesce(sum(octet_length(state)), 0) FROM sessions WHERE key_id = ${keyId})
      + (SELECT coalesce(sum(octet_length(n.state)), 0) FROM session_snapshots n JOIN sessions s ON s.id = n.session_id
         WHERE s.key_id = ${keyId})
    )::bigint AS bytes`;
  return Number(row?.bytes ?? 0);
};

const storageExceeded = ({ stored_bytes }: Quota, used: number, more = ''): UnfoldError =>
  new UnfoldError(
    'quota_exceeded',
    `This API key may store ${stored_bytes} bytes and stores ${used}${more}. Delete files, models, jobs or sessions.`,
  );

/** Refuses `more` bytes that a key has no room for; with 0, whatever would add to a quota that is used up. */
export const requireStorage = async (
  queries: Statements,
  quota: Quota | null,
  more: number,
): Promise<void> => {
  if (quota === null || quota.stored_bytes === null) return;
  await lockKey(queries, quota);
  const used = await storedBytes(queries, quota.key_id);
  const fits = more === 0 ? used < quota.stored_bytes : used + more <= quota.stored_bytes;
  if (fits) return;
  throw storageExceeded(quota, used, more === 0 ? '' : `: ${more} more do not fit`);
};

/** What a key's quota leaves for an upload of unknown size, which is checked again once it is known. */
export interface Room {
  bytes: number;
  /** What it is refused with when it is larger. */
  refusal: UnfoldError;
}

/**
 * So that an upload which cannot be kept need not be written first. Null: no quota.
 * @throws UnfoldError `quota_exceeded` if there is no room at all
 */
export const findRoom = async (queries: Statements, quota: Quota | null): Promise<Room | null> => {
  if (quota === null || quota.stored_bytes === null) return null;
  const used = await storedBytes(queries, quota.key_id);
  if (used >= quota.stored_bytes) throw storageExceeded(quota, used);
  return {
    bytes: quota.stored_bytes - used,
    refusal: storageExceeded(quota, used, ': the file does not fit'),
  };
};

/** Refuses jobs with which more of the key's would be queued or running than may be. */
export const requireJobRoom = async (
  queries: Statements,
  quota: Quota | null,
  jobs: number,
): Promise<void> => {
  if (quota === null || quota.concurrent_jobs === null) return;
  await lockKey(queries, quota);
  const [row] = await queries.$queryRaw<{ busy: number }[]>`
    SELECT count(*)::int AS busy FROM jobs WHERE key_id = ${quota.key_id} AND status IN ('queued', 'running')`;
  const busy = row?.busy ?? 0;
  if (busy + jobs <= quota.concurrent_jobs) return;
  throw new UnfoldError(
    'quota_exceeded',
    `This API key may have ${quota.concurrent_jobs} jobs queued or running, and has ${busy}: ${
      jobs > 1
        ? `${jobs} more do not fit. Wait until some have ended, or cancel them`
        : 'wait until one has ended, or cancel it'
    }.`,
  );
};

/**
 * Refuses, for good, more jobs than could ever be queued together: whoever is told to wait would wait for ever.
 * @throws UnfoldError `invalid_value` (param `jobs`)
 */
export const requirePossibleJobs = (jobs: number, quota: Quota | null, queueDepth: number): void => {
  const allowed = quota?.concurrent_jobs ?? Number.POSITIVE_INFINITY;
  const most = Math.min(allowed, queueDepth);
  if (jobs <= most) return;
  const why =
    allowed < queueDepth
      ? 'this API key may have queued or running at once'
      : 'the queue of this server holds';
  throw new UnfoldError(
    'invalid_value',
    `jobs: expected at most ${most}, as many as ${why}, but received ${jobs}.`,
    {
      param: 'jobs',
    },
  );
};
