import { type JobProgress, type JobSpec, UnfoldError } from '@unfold/contracts';
import { toJson } from '../clean-json.ts';
import { Prisma, type Statements } from '../database.ts';
import { notFound } from '../pages.ts';
import { hasWorker } from '../workers/worker-row.ts';
import { statusFrame } from './job-changes.ts';
import type { JobRow } from './job-row.ts';
import type { Arriving, Reservation, Waiting } from './queue-count.ts';

export interface NewJob {
  id: string;
  project: string;
  spec: JobSpec;
  key_id: string | null;
}

interface Placed {
  has_file: boolean;
  has_validation_file: boolean;
  /** Jobs that were queued before these. */
  queued: number;
  queue_position: number;
  served: boolean;
  created_at: Date | null;
  /** What was counted; null if it was known. */
  waiting: Waiting[] | null;
}

const noProgress: JobProgress = {
  ...{ step: 0, total_steps: null, epoch: 0, tokens: 0 },
  ...{ seconds: 0, share: null, eta_seconds: null },
};

/** What the statement reads of a spec stands beside it, since PostgreSQL would read the whole spec for each field. */
const toAsked = ({ id, project, spec, key_id }: NewJob) => ({
  id,
  project,
  key_id,
  name: spec.name,
  metadata: spec.metadata,
  priority: spec.priority,
  file: spec.file,
  validation_file: spec.validation_file,
  demand: { engine: spec.engine, device: spec.device, training: { precision: spec.training.precision } },
  spec,
});

const toRow = (
  { id, project, spec, key_id }: NewJob,
  placed: Placed,
  queueDepth: number,
): JobRow | UnfoldError => {
  if (!placed.has_file) return notFound('file', spec.file, 'file');
  if (!placed.has_validation_file) return notFound('file', spec.validation_file ?? '', 'validation_file');
  if (placed.created_at === null)
    return new UnfoldError(
      'queue_full',
      `The queue may hold ${queueDepth} jobs and holds ${placed.queued}: wait until some have started.`,
    );
  return {
    id,
    project,
    name: spec.name,
    status: 'queued',
    spec,
    metadata: spec.metadata,
    priority: spec.priority,
    file: spec.file,
    validation_file: spec.validation_file,
    model_id: null,
    error: null,
    engine: null,
    device: null,
    key_id,
    created_at: placed.created_at,
    started_at: null,
    ended_at: null,
    attempt: 0,
    owned: false,
    next_seq: 2,
    requested: null,
    attempts_without_checkpoint: 0,
    enqueue_count: 1,
    progress: noProgress,
    queue_position: placed.queue_position,
    served: placed.served,
  };
};

/**
 * Known, or counted by the statement itself, which must not take those for two that it may find in the table and is told of.
 * A priority is read as a number of any size: PostgreSQL is to refuse one that is no integer, and not the jobs beside it.
 */
const waitingJobs = (known: readonly Waiting[] | null, others: readonly Arriving[]): Prisma.Sql => {
  if (known !== null)
    return Prisma.sql`waiting AS (
      SELECT priority, jobs FROM json_to_recordset(${toJson(known)}::json) AS known(priority float8, jobs int)
    )`;
  if (others.length === 0)
    return Prisma.sql`counted AS (
      SELECT priority, count(*)::int AS jobs FROM jobs WHERE status = 'queued' GROUP BY priority
    ), waiting AS (SELECT * FROM counted)`;
  return Prisma.sql`others AS (
      SELECT id, priority FROM json_to_recordset(${toJson(others)}::json) AS others(id text, priority float8)
    ), counted AS (
      SELECT priority, count(*)::int AS jobs FROM jobs
      WHERE status = 'queued' AND id NOT IN (SELECT id FROM others) GROUP BY priority
    ), waiting AS (
      SELECT priority, jobs FROM counted
      UNION ALL SELECT priority, count(*)::int AS jobs FROM others GROUP BY priority
    )`;
};

/**
 * Inserts queued jobs with their heads and first frames, in one statement however many they are: a round trip costs more
 * than a row. What becomes of one is not the others' concern: each answer is the job's row or why it was refused, `not_found`
 * (param `file` or `validation_file`) or `queue_full`.
 *
 * The files are locked against deletion until the jobs exist, from when on these protect them.
 * @param queueDepth jobs that may be queued
 * @param reserved places for these jobs, which end when they are committed
 */
export const insertJobs = async (
  queries: Statements,
  jobs: readonly NewJob[],
  queueDepth: number,
  { known, others, note }: Reservation,
): Promise<(JobRow | UnfoldError)[]> => {
  const counted =
    known === null ? Prisma.sql`(SELECT json_agg(counted) FROM counted)` : Prisma.sql`NULL::json`;
  // `queued_at` is told by the clock, not by the transaction's begin: who waited for a lock comes later.
  const placed = await queries.$queryRaw<Placed[]>`
    WITH asked AS (
      SELECT a.*
      FROM ROWS FROM (json_to_recordset(${toJson(jobs.map(toAsked))}::json) AS (
        id text, project text, key_id text, name text, metadata jsonb, priority int, file text, validation_file text,
        demand json, spec json
      )) WITH ORDINALITY
        AS a(id, project, key_id, name, metadata, priority, file, validation_file, demand, spec, place)
    ), readable AS (
      SELECT id, project FROM files
      WHERE id IN (SELECT file FROM asked UNION SELECT validation_file FROM asked)
      FOR KEY SHARE
    ), ${waitingJobs(known, others)}, depth AS (
      SELECT coalesce(sum(jobs), 0)::int AS queued FROM waiting
    ), checked AS (
      SELECT a.*, (a.file, a.project) IN (SELECT id, project FROM readable) AS has_file,
             a.validation_file IS NULL
               OR (a.validation_file, a.project) IN (SELECT id, project FROM readable) AS has_validation_file
      FROM asked a
    ), accepted AS (
      SELECT c.*, row_number() OVER (ORDER BY priority DESC, place) AS rank FROM (
        SELECT *, row_number() OVER (ORDER BY place) AS nth FROM checked WHERE has_file AND has_validation_file
      ) c, depth WHERE depth.queued + c.nth <= ${queueDepth}::int
    ), job AS (
      INSERT INTO jobs (id, project, name, status, spec, metadata, priority, file, validation_file, key_id, queued_at)
      SELECT id, project, name, 'queued', spec, metadata, priority, file, validation_file, key_id, clock_timestamp()
      FROM accepted ORDER BY place
      RETURNING id, created_at
    ), head AS (
      INSERT INTO job_heads (job_id, next_seq, progress) SELECT id, 2, ${toJson(noProgress)}::json FROM job
    ), frame AS (
      INSERT INTO events (job_id, seq, type, at, body)
      SELECT id, 1, 'status', clock_timestamp(), ${toJson(statusFrame('queued', 0))}::json FROM job
    )
    SELECT c.has_file, c.has_validation_file, depth.queued, job.created_at,
           (SELECT coalesce(sum(w.jobs), 0) FROM waiting w WHERE w.priority >= c.priority)::int
             + a.rank::int AS queue_position,
           ${hasWorker(Prisma.sql`c.demand`)} AS served,
           ${counted} AS waiting
    FROM checked c CROSS JOIN depth LEFT JOIN accepted a ON a.id = c.id LEFT JOIN job ON job.id = c.id
    ORDER BY c.place`;
  if (known === null) note(placed[0]?.waiting ?? []);
  return jobs.map((job, k) => toRow(job, placed[k] as Placed, queueDepth));
};
