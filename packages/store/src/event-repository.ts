import { type Frame, type FrameBody, isFinal, type JobRequest, type JobStatus } from '@unfold/contracts';
import { toJson } from './clean-json.ts';
import { type Database, Prisma } from './database.ts';
import { appendLocked, insertFrames, lockJob } from './jobs/job-changes.ts';
import { readCurves } from './read-curves.ts';
import type { EventRepository } from './repositories.ts';
import { largestInteger } from './statements.ts';

const defaultLimit = 1000;

const bounded = (number: number): number => Math.min(number, largestInteger);

/** `body` keeps the order of its fields as they were written. */
interface EventRow {
  seq: number;
  at: Date;
  body: FrameBody;
}

const toFrame =
  (job_id: string) =>
  ({ seq, at, body: { type, ...rest } }: EventRow): Frame =>
    ({ seq, type, at: at.toISOString(), job_id, ...rest }) as Frame;

export const createEventRepository = (database: Database): EventRepository => ({
  append: ({ job_id, attempt }, bodies, progress) =>
    database.run(async (queries) => {
      const head = Prisma.sql`head`;
      const added =
        bodies.length > 0 ? Prisma.sql`, added AS (${insertFrames(job_id, bodies, head)})` : Prisma.empty;
      const [row] = await queries.$queryRaw<{ head: number; requested: JobRequest | null }[]>`
        WITH head AS (
          UPDATE job_heads
          SET next_seq = next_seq + ${bodies.length}::int, heartbeat_at = clock_timestamp(),
              progress = COALESCE(${progress ? toJson(progress) : null}::json, progress)
          WHERE job_id = ${job_id} AND attempt = ${attempt}::int AND owned
          RETURNING next_seq, requested
        ) ${added}
        SELECT next_seq - 1 AS head, requested FROM head`;
      return row ?? null;
    }),

  note: (job_id, bodies) =>
    database.transaction(async (queries) => {
      const job = await lockJob(queries, job_id);
      if (!job || isFinal(job.status)) return null;
      return { head: await appendLocked(queries, job_id, bodies) };
    }),

  read: (job_id, { after = 0, before = largestInteger, limit = defaultLimit, type, order } = {}) =>
    database.run(async (queries) => {
      const types = type === undefined ? [] : typeof type === 'string' ? [type] : [...type];
      const filter = types.length > 0 ? Prisma.sql`AND type = ANY(${types})` : Prisma.empty;
      const rows = await queries.$queryRaw<EventRow[]>`
        SELECT seq, at, body FROM events
        WHERE job_id = ${job_id} AND seq > ${bounded(after)}::int AND seq < ${bounded(before)}::int ${filter}
        ORDER BY seq ${order === 'newest_first' ? Prisma.sql`DESC` : Prisma.empty} LIMIT ${bounded(limit)}::int`;
      return rows.map(toFrame(job_id));
    }),

  heads: (job_ids) =>
    database.run(async (queries) => {
      if (job_ids.length === 0) return new Map();
      const rows = await queries.$queryRaw<{ id: string; head: number; status: JobStatus }[]>`
        SELECT j.id, h.next_seq - 1 AS head, j.status FROM jobs j JOIN job_heads h ON h.job_id = j.id
        WHERE j.id = ANY(${[...job_ids]})`;
      return new Map(rows.map(({ id, head, status }) => [id, { head, status }]));
    }),

  metrics: (job_id, query = {}) => database.run((queries) => readCurves(queries, job_id, query)),
});
