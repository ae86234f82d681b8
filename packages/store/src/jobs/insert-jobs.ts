import { type JobSpec, UnfoldError } from '@unfold/contracts';
import { toJson } from '../clean-json.ts';
import { Prisma, type Statements } from '../database.ts';
import { notFound } from '../pages.ts';
import { hasWorker } from '../workers/worker-row.ts';
import { statusFrame } from './job-changes.ts';
import type { JobRow } from './job-row.ts';

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
}

const noProgress = { step: 0, total_steps: null, epoch: 0, tokens: 0, eta_seconds: null };

const toRow = ({ id, project, spec, key_id }: NewJob, placed: Placed): JobRow | UnfoldError => {
  if (!placed.has_file) return notFound('file', spec.file, 'file');
  if (!placed.has_validation_file) return notFound('file', spec.validation_file ?? '', 'validation_file');
  if (placed.created_at === null)
    return new UnfoldError(
      'queue_full',
      `The queue holds ${placed.queued} jobs and takes no more: wait until some have started.`,
    );
  const { name, metadata, priority, file, validation_file } = spec;
  return {
    ...{ id, project, spec, key_id, name, metadata, priority, file, validation_file },
    ...{ status: 'queued', model_id: null, error: null, engine: null, device: null },
    ...{ created_at: placed.created_at, started_at: null, ended_at: null },
    ...{ attempt: 0, owned: false, next_seq: 2, requested: null, attempts_without_checkpoint: 0 },
    ...{ enqueue_count: 1, progress: noProgress, queue_position: placed.queue_position },
    served: placed.served,
  };
};

/**
 * Inserts queued jobs with their heads and first frames, in one statement however many they are: a round trip costs more
 * than a row. What becomes of one is not the others' concern: each answer is the job's row or why it was refused, `not_found`
 * (param `file` or `validation_file`) or `queue_full`.
 *
 * The files are locked against deletion until the jobs exist, from when on these protect them.
 */
export const insertJobs = async (
  queries: Statements,
  jobs: readonly NewJob[],
  queueDepth: number,
): Promise<(JobRow | UnfoldError)[]> => {
  // `queued_at` is told by the clock, not by the transaction's begin: who waited for a lock comes later.
  const placed = await queries.$queryRaw<Placed[]>`
    WITH asked AS (
      SELECT a.*, spec->>'file' AS file, spec->>'validation_file' AS validation_file,
             (spec->>'priority')::int AS priority
      FROM ROWS FROM (json_to_recordset(${toJson(jobs)}::json) AS (id text, project text, key_id text, spec json))
        WITH ORDINALITY AS a(id, project, key_id, spec, place)
    ), readable AS (
      SELECT id, project FROM files
      WHERE id IN (SELECT file FROM asked UNION SELECT validation_file FROM asked)
      FOR KEY SHARE
    ), waiting AS (
      SELECT priority, count(*)::int AS jobs FROM jobs WHERE status = 'queued' GROUP BY priority
    ), depth AS (
      SELECT coalesce(sum(jobs), 0)::int AS queued FROM waiting
    ), checked AS (
      SELECT a.*, (a.file, a.project) IN (SELECT id, project FROM readable) AS has_file,
             a.validation_file IS NULL
               OR (a.validation_file, a.project) IN (SELECT id, project FROM readable) AS has_validation_file
      FROM asked a
    ), accepted AS (
      SELECT c.* FROM (
        SELECT *, row_number() OVER (ORDER BY place) AS nth FROM checked WHERE has_file AND has_validation_file
      ) c, depth WHERE depth.queued + c.nth <= ${queueDepth}::int
    ), job AS (
      INSERT INTO jobs (id, project, name, status, spec, metadata, priority, file, validation_file, key_id, queued_at)
      SELECT id, project, spec->>'name', 'queued', spec, (spec->'metadata')::jsonb, priority, file, validation_file,
             key_id, clock_timestamp()
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
             + (SELECT count(*) FROM accepted a
                WHERE a.priority > c.priority OR (a.priority = c.priority AND a.place < c.place))::int
             + 1 AS queue_position,
           ${hasWorker(Prisma.sql`c.spec`)} AS served
    FROM checked c CROSS JOIN depth LEFT JOIN job ON job.id = c.id
    ORDER BY c.place`;
  return jobs.map((job, k) => toRow(job, placed[k] as Placed));
};
