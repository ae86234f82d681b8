import {
  type Demand,
  demandedDevice,
  type JobError,
  type JobProgress,
  type JobRequest,
  type JobResource,
  type JobSpec,
  type JobStatus,
  specWarnings,
} from '@unfold/contracts';
import type { EnqueueTicket } from '../claim.ts';
import { Prisma, type Statements } from '../database.ts';
import { hasWorker, withoutWorker } from '../workers/worker-row.ts';

/** A job and its head, as they are read. */
export interface JobRow {
  id: string;
  project: string;
  name: string | null;
  status: JobStatus;
  spec: JobSpec;
  metadata: Record<string, string>;
  priority: number;
  file: string;
  validation_file: string | null;
  model_id: string | null;
  error: JobError | null;
  engine: string | null;
  device: string | null;
  key_id: string | null;
  created_at: Date;
  started_at: Date | null;
  ended_at: Date | null;
  attempt: number;
  owned: boolean;
  next_seq: number;
  requested: JobRequest | null;
  attempts_without_checkpoint: number;
  enqueue_count: number;
  progress: JobProgress;
  queue_position: number | null;
  /** Whether a running worker can take it; null unless queued. */
  served: boolean | null;
}

/** A queued job's prospects: looks at everything that is queued before it, and at the running workers. */
const prospects = Prisma.sql`
  CASE WHEN j.status = 'queued' THEN
    (SELECT count(*)::int + 1 FROM jobs q
     WHERE q.status = 'queued' AND (q.priority > j.priority
       OR (q.priority = j.priority AND (q.queued_at, q.id) < (j.queued_at, j.id))))
  END AS queue_position,
  CASE WHEN j.status = 'queued' THEN ${hasWorker(Prisma.sql`j.spec`)} END AS served`;
const noProspects = Prisma.sql`NULL AS queue_position, NULL AS served`;

const columns = Prisma.sql`
  j.id, j.project, j.name, j.status, j.spec, j.metadata, j.priority, j.file, j.validation_file, j.model_id,
  j.error, j.engine, j.device, j.key_id, j.created_at, j.started_at, j.ended_at,
  h.attempt, h.owned, h.next_seq, h.requested, h.attempts_without_checkpoint, h.enqueue_count, h.progress`;

/** Reads whole jobs in one statement, so that job, head and place in the queue belong together. */
const selectJobs = (queries: Statements, rest: Prisma.Sql, others: Prisma.Sql): Promise<JobRow[]> =>
  queries.$queryRaw<JobRow[]>`
    SELECT ${columns}, ${others} FROM jobs j JOIN job_heads h ON h.job_id = j.id ${rest}`;

/**
 * The same for a page: those of `conditions` on a job `j`, ordered by their ids. The queue is gone through once for all of them, and not at all if
 * none is queued.
 */
export const selectPage = (
  queries: Statements,
  conditions: readonly Prisma.Sql[],
  direction: Prisma.Sql,
  limit: number,
): Promise<JobRow[]> =>
  queries.$queryRaw<JobRow[]>`
    WITH page AS MATERIALIZED (
      SELECT ${columns} FROM jobs j JOIN job_heads h ON h.job_id = j.id
      WHERE ${Prisma.join([...conditions], ' AND ')} ORDER BY j.id ${direction} LIMIT ${limit}
    ), places AS MATERIALIZED (
      -- IS TRUE keeps the planner, which may know nothing of how many are queued, from comparing each of them with each of the page.
      SELECT id, queue_position FROM (
        SELECT id, row_number() OVER (ORDER BY priority DESC, queued_at, id)::int AS queue_position FROM jobs
        WHERE status = 'queued' AND EXISTS (SELECT FROM page WHERE status = 'queued')
      ) q WHERE (id IN (SELECT id FROM page)) IS TRUE
    )
    SELECT j.*, p.queue_position, CASE WHEN j.status = 'queued' THEN ${hasWorker(Prisma.sql`j.spec`)} END AS served
    FROM page j LEFT JOIN places p ON p.id = j.id ORDER BY j.id ${direction}`;

const findOne = async (
  queries: Statements,
  id: string,
  project: string | null,
  others: Prisma.Sql,
): Promise<JobRow | null> => {
  const within = project === null ? Prisma.empty : Prisma.sql`AND j.project = ${project}`;
  const [row] = await selectJobs(queries, Prisma.sql`WHERE j.id = ${id} ${within}`, others);
  return row ?? null;
};

export const findJob = (
  queries: Statements,
  id: string,
  project: string | null = null,
): Promise<JobRow | null> => findOne(queries, id, project, prospects);

/** The same for whoever is about to change the job, and needs no prospects: `queue_position` and `served` are null. */
export const findUnplaced = (
  queries: Statements,
  id: string,
  project: string | null = null,
): Promise<JobRow | null> => findOne(queries, id, project, noProspects);

const untold = { seconds: null, share: null };

export const toJobResource = (row: JobRow): JobResource => ({
  id: row.id,
  object: 'training.job',
  name: row.name,
  status: row.status,
  requested: row.requested,
  attempt: row.attempt,
  spec: row.spec,
  warnings: specWarnings(row.spec),
  model_id: row.model_id,
  error: row.error,
  // A run of an earlier version told less.
  progress: { ...untold, ...row.progress },
  queue_position: row.queue_position,
  blocked: row.served === false ? withoutWorker(row.spec) : null,
  engine: row.engine,
  device: row.device,
  created_at: row.created_at.toISOString(),
  started_at: row.started_at?.toISOString() ?? null,
  ended_at: row.ended_at?.toISOString() ?? null,
  metadata: row.metadata,
});

/** What a ticket is made of. */
export interface TicketRow extends Pick<JobRow, 'id' | 'enqueue_count' | 'priority'> {
  spec: Demand;
  traceparent?: string | null;
}

export const toTicket = ({ id, enqueue_count, priority, spec, traceparent }: TicketRow): EnqueueTicket => ({
  job_id: id,
  enqueue_count,
  priority,
  device: demandedDevice(spec),
  ...(traceparent && { traceparent }),
});
