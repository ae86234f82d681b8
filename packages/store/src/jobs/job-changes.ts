import { type FrameBody, isFinal, type JobError, type JobRequest, type JobStatus } from '@unfold/contracts';
import type { Claim } from '../claim.ts';
import { toJson } from '../clean-json.ts';
import { Prisma, type Statements } from '../database.ts';
import { writeStatusEvents } from '../webhooks/write-events.ts';
import { findUnplaced, type JobRow } from './job-row.ts';

/**
 * Locks a job's head row until the transaction ends, then reads the job, but for its place in the queue: whatever was changed under the lock by others
 * is seen. Null if there is no such job in the project.
 */
export const lockJob = async (
  queries: Statements,
  id: string,
  project: string | null = null,
): Promise<JobRow | null> => {
  await queries.$queryRaw`SELECT job_id FROM job_heads WHERE job_id = ${id} FOR UPDATE`;
  return findUnplaced(queries, id, project);
};

/** Like {@link lockJob}, for the attempt that owns the job: null if another does, or none. */
export const lockClaimed = async (queries: Statements, claim: Claim): Promise<JobRow | null> => {
  const job = await lockJob(queries, claim.job_id);
  return job?.owned && job.attempt === claim.attempt ? job : null;
};

/**
 * Inserts frames behind the head, which the statement that fenced has just advanced by their number.
 * `head` is a relation with one row or none and the column `next_seq`.
 */
export const insertFrames = (jobId: string, bodies: readonly FrameBody[], head: Prisma.Sql): Prisma.Sql =>
  Prisma.sql`
    INSERT INTO events (job_id, seq, type, step, at, body)
    SELECT ${jobId}, (h.next_seq - ${bodies.length}::int - 1 + f.position)::int,
           f.body->>'type', (f.body->>'step')::int, clock_timestamp(), f.body
    FROM ${head} h, json_array_elements(${toJson(bodies)}::json) WITH ORDINALITY AS f(body, position)`;

/** Appends frames to a job whose head row this transaction has locked; answers the last sequence number. */
export const appendLocked = async (
  queries: Statements,
  jobId: string,
  bodies: readonly FrameBody[],
): Promise<number> => {
  const [head] = await queries.$queryRaw<{ next_seq: number }[]>`
    WITH head AS (
      UPDATE job_heads SET next_seq = next_seq + ${bodies.length}::int WHERE job_id = ${jobId} RETURNING next_seq
    ), added AS (${insertFrames(jobId, bodies, Prisma.sql`head`)})
    SELECT next_seq FROM head`;
  return (head?.next_seq ?? 1) - 1;
};

export interface StatusChange {
  status: JobStatus;
  error?: JobError | null;
  model_id?: string;
}

export const statusFrame = (
  status: JobStatus,
  attempt: number,
  error: JobError | null = null,
): FrameBody => ({ type: 'status', status, attempt, ...(error ? { error } : {}) });

/**
 * Ends what a locked job is doing: the new status, its frame, what webhooks are told of it, and the head that no attempt owns any more. Joining the
 * queue goes to its end. Answers the frame's sequence number.
 */
export const changeStatus = async (
  queries: Statements,
  job: JobRow,
  { status, error = null, model_id }: StatusChange,
): Promise<number> => {
  await writeStatusEvents(queries, job, status, model_id);
  const [row] = await queries.$queryRaw<{ head: number }[]>`
    WITH job AS (
      UPDATE jobs SET status = ${status}, error = ${error && toJson(error)}::json,
        model_id = COALESCE(${model_id ?? null}, model_id),
        ended_at = CASE WHEN ${isFinal(status)} THEN now() END,
        queued_at = CASE WHEN ${status === 'queued'} THEN clock_timestamp() ELSE queued_at END
      WHERE id = ${job.id}
    ), head AS (
      UPDATE job_heads SET owned = false, requested = NULL, next_seq = next_seq + 1
      WHERE job_id = ${job.id} RETURNING next_seq
    ), frame AS (${insertFrames(job.id, [statusFrame(status, job.attempt, error)], Prisma.sql`head`)})
    SELECT next_seq - 1 AS head FROM head`;
  return row?.head ?? 0;
};

export const setRequested = async (
  queries: Statements,
  job: JobRow,
  requested: JobRequest | null,
): Promise<void> => {
  await queries.$executeRaw`UPDATE job_heads SET requested = ${requested} WHERE job_id = ${job.id}`;
};

/** A new ticket: the queue ignores an id that it has seen, so each return to it counts on. */
export const countEnqueue = async (queries: Statements, job: JobRow): Promise<JobRow> => {
  await queries.$executeRaw`
    UPDATE job_heads SET enqueue_count = enqueue_count + 1 WHERE job_id = ${job.id}`;
  return { ...job, enqueue_count: job.enqueue_count + 1 };
};
