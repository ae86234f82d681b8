import { UnfoldError } from '@unfold/contracts';
import { toJson } from './clean-json.ts';
import type { Database, Statements } from './database.ts';
import type { Created, Idempotency } from './repositories.ts';

const lifetime = '24 hours';

/** The stored answer of an earlier request with the same key, or null. `idempotency_mismatch` if it asked for other things. */
const findAnswer = async <T>(
  queries: Statements,
  project: string,
  { key, route, request_hash }: Idempotency,
): Promise<T | null> => {
  const [row] = await queries.$queryRaw<{ request_hash: string; answer: T }[]>`
    SELECT request_hash, answer FROM idempotency_keys
    WHERE project = ${project} AND route = ${route} AND key = ${key}
      AND created_at > now() - ${lifetime}::interval`;
  if (!row) return null;
  if (row.request_hash !== request_hash)
    throw new UnfoldError(
      'idempotency_mismatch',
      'This Idempotency-Key was used for another request: expected the same body, or a new key.',
      { param: 'Idempotency-Key' },
    );
  return row.answer;
};

export const replay = <T>(database: Database, project: string, idempotency: Idempotency): Promise<T | null> =>
  database.run((queries) => findAnswer<T>(queries, project, idempotency));

/** Whether an earlier request with the same key was answered, be it for the same or for other things. */
export const isKnown = async (
  queries: Statements,
  project: string,
  { key, route }: Omit<Idempotency, 'request_hash'>,
): Promise<boolean> => {
  const rows = await queries.$queryRaw<object[]>`
    SELECT 1 FROM idempotency_keys WHERE project = ${project} AND route = ${route} AND key = ${key}`;
  return rows.length > 0;
};

/**
 * Creates something once per `Idempotency-Key`, inside the creating transaction. The lock ends with the transaction,
 * so a process that dies holds nobody up.
 * @param stored what of the answer is kept for a replay; default: all of it
 */
export const createOnce = async <T>(
  queries: Statements,
  project: string,
  idempotency: Idempotency | undefined,
  create: () => Promise<T>,
  stored: (resource: T) => unknown = (resource) => resource,
): Promise<Created<T>> => {
  if (!idempotency) return { resource: await create(), replayed: false };
  const { key, route, request_hash } = idempotency;
  const name = JSON.stringify([project, route, key]);
  const [lock] = await queries.$queryRaw<{ locked: boolean }[]>`
    SELECT pg_try_advisory_xact_lock(hashtextextended(${name}, 0)) AS locked`;
  if (!lock?.locked)
    throw new UnfoldError(
      'idempotency_in_progress',
      'The first request with this Idempotency-Key is still being carried out. Try again.',
      { param: 'Idempotency-Key' },
    );
  const answer = await findAnswer<T>(queries, project, idempotency);
  if (answer) return { resource: answer, replayed: true };
  const resource = await create();
  await queries.$executeRaw`
    INSERT INTO idempotency_keys (project, route, key, request_hash, answer, created_at)
    VALUES (${project}, ${route}, ${key}, ${request_hash}, ${toJson(stored(resource))}::json, now())
    ON CONFLICT (project, route, key) DO UPDATE
      SET request_hash = EXCLUDED.request_hash, answer = EXCLUDED.answer, created_at = EXCLUDED.created_at`;
  return { resource, replayed: false };
};

/** Forgets answers that no request may be given any more. */
export const removeExpired = (database: Database): Promise<number> =>
  database.run(
    (queries) =>
      queries.$executeRaw`DELETE FROM idempotency_keys WHERE created_at <= now() - ${lifetime}::interval`,
  );
