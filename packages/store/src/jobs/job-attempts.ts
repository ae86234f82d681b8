import { type FrameBody, type JobError, placement } from '@unfold/contracts';
import type { Claim, Claimed, ClaimedBy, ResumePoint } from '../claim.ts';
import { type Database, Prisma, type Statements } from '../database.ts';
import { newId } from '../new-id.ts';
import type { Finished, Outcome } from '../outcome.ts';
import type { JobRepository } from '../repositories.ts';
import { writeStatusEvents } from '../webhooks/write-events.ts';
import {
  changeStatus,
  countEnqueue,
  insertFrames,
  lockClaimed,
  type StatusChange,
  statusFrame,
} from './job-changes.ts';
import { findUnplaced, type JobRow, toTicket } from './job-row.ts';

/** So many attempts in a row may end without a new checkpoint. */
const attemptLimit = 3;
const defaultTakeover_ms = 1000;

/** Not the id, whose order hangs on the workers' clocks: the log's own order says which is the newest. */
const newestCheckpoint = async (queries: Statements, jobId: string): Promise<ResumePoint | null> => {
  const [newest] = await queries.$queryRaw<(Omit<ResumePoint, 'bytes'> & { bytes: bigint })[]>`
    SELECT id, path, bytes, sha256, step FROM checkpoints WHERE job_id = ${jobId} ORDER BY seq DESC LIMIT 1`;
  return newest ? { ...newest, bytes: Number(newest.bytes) } : null;
};

const exhausted = (last: JobError | null): JobError => ({
  code: 'attempts_exhausted',
  message: `${attemptLimit} attempts ended without a new checkpoint.${last ? ` The last error: ${last.message}` : ''}`,
  param: null,
});

/** The worker has nothing that computes on the device which the job names, or in its precision. */
const misplaced = ({ spec }: JobRow): JobError => {
  const code = 'engine_unavailable';
  const { precision } = spec.training;
  if (spec.device === null)
    return {
      code,
      message: `The worker that took the job has no engine that computes in ${precision}.`,
      param: 'training.precision',
    };
  const message = `The worker that took the job has no engine that computes on a ${spec.device}${
    spec.engine === 'tfjs' ? ': TensorFlow.js takes @tensorflow/tfjs-node-gpu for that, and else a cpu' : ''
  }.`;
  return { code, message, param: 'device' };
};

/** A worker that died left a request behind: there is nobody else to carry it out. */
const settle = async (queries: Statements, job: JobRow): Promise<boolean> => {
  if (job.requested === 'cancel') await changeStatus(queries, job, { status: 'cancelled' });
  else if (job.requested === 'pause') await changeStatus(queries, job, { status: 'paused' });
  else if (job.attempts_without_checkpoint >= attemptLimit)
    await changeStatus(queries, job, { status: 'failed', error: exhausted(null) });
  else return false;
  return true;
};

const begin = async (queries: Statements, job: JobRow, by: ClaimedBy): Promise<Claimed | null> => {
  const attempt = job.attempt + 1;
  const placed = placement(job.spec, by.engines, by.tfjs);
  if (placed === null) {
    await changeStatus(queries, job, { status: 'failed', error: misplaced(job) });
    return null;
  }
  const { engine, device } = placed;
  const resume = attempt > 1 ? await newestCheckpoint(queries, job.id) : null;
  const frames: FrameBody[] = [statusFrame('running', attempt)];
  if (attempt > 1) frames.push({ type: 'restart', attempt, from_step: resume?.step ?? 0, reason: 'resumed' });
  const [begun] = await queries.$queryRaw<{ head: number; waited: number | null }[]>`
    WITH job AS (
      UPDATE jobs SET status = 'running', error = NULL, engine = ${engine}, device = ${device},
        started_at = COALESCE(started_at, now())
      WHERE id = ${job.id}
      RETURNING extract(epoch FROM clock_timestamp() - queued_at)::float8 AS waited
    ), head AS (
      UPDATE job_heads SET attempt = ${attempt}, owned = true, worker = ${by.worker}, heartbeat_at = clock_timestamp(),
        attempts_without_checkpoint = attempts_without_checkpoint + 1, next_seq = next_seq + ${frames.length}::int
      WHERE job_id = ${job.id} RETURNING next_seq
    ), frame AS (${insertFrames(job.id, frames, Prisma.sql`head`)})
    SELECT head.next_seq - 1 AS head, job.waited FROM head, job`;
  await writeStatusEvents(queries, job, 'running');
  return {
    claim: { job_id: job.id, attempt },
    project: job.project,
    spec: job.spec,
    engine,
    resume,
    head: begun?.head ?? 0,
    waited_seconds: job.status === 'queued' ? (begun?.waited ?? null) : null,
  };
};

export const createClaim =
  (database: Database): JobRepository['claim'] =>
  async (id, by) => {
    const seen = await database.run((queries) => findUnplaced(queries, id));
    if (!seen || (seen.status !== 'queued' && seen.status !== 'running')) return null;
    return database.transaction(async (queries) => {
      const takeover_ms = by.takeover_ms ?? defaultTakeover_ms;
      // Compare-and-set: of those who saw the same attempt one goes on, the others find it changed.
      const [head] = await queries.$queryRaw<Pick<JobRow, 'next_seq' | 'requested'>[]>`
        SELECT next_seq, requested FROM job_heads
        WHERE job_id = ${id} AND attempt = ${seen.attempt}
          AND NOT (owned AND NOT (${by.retried ?? false} AND worker = ${by.worker})
            AND heartbeat_at > clock_timestamp() - make_interval(secs => ${takeover_ms / 1000}::float8))
        FOR UPDATE`;
      if (!head) return null;
      // Whatever happens to a job but a request leaves a frame: without a new one it is what was seen.
      const isAsSeen = head.next_seq === seen.next_seq && head.requested === seen.requested;
      const job = isAsSeen ? seen : await findUnplaced(queries, id);
      if (!job || (job.status !== 'queued' && job.status !== 'running')) return null;
      if (await settle(queries, job)) return null;
      return begin(queries, job, by);
    });
  };

type Succeeded = Extract<Outcome, { type: 'succeeded' }>;

const publish = async (queries: Statements, job: JobRow, outcome: Succeeded): Promise<string> => {
  const { checkpoint_id, weights, parameters, vocabulary_size } = outcome;
  const id = newId('model');
  await queries.$executeRaw`
    INSERT INTO models (id, project, name, job_id, spec, parameters, vocabulary_size, step, validation_loss,
      path, bytes, sha256, key_id)
    SELECT ${id}, project, name, id, spec, ${BigInt(parameters)}, ${vocabulary_size}::int,
      coalesce(c.step, ${job.progress.step}::int), c.validation_loss,
      ${weights.path}, ${BigInt(weights.bytes)}, ${weights.sha256}, key_id
    FROM jobs LEFT JOIN LATERAL (
      SELECT step, validation_loss FROM checkpoints WHERE id = ${checkpoint_id} AND job_id = jobs.id
    ) c ON true
    WHERE id = ${job.id}`;
  return id;
};

/** What becomes of a job whose worker gave it back: what was asked of it meanwhile comes first. */
const givenBack = (job: JobRow, outcome: Exclude<Outcome, Succeeded>): StatusChange => {
  switch (outcome.type) {
    case 'failed':
      return { status: 'failed', error: outcome.error };
    case 'cancelled':
      return { status: 'cancelled' };
    case 'paused':
      if (job.requested === 'cancel') return { status: 'cancelled' };
      // A resume withdrew the pause after the worker had begun to carry it out.
      return { status: job.requested === null ? 'queued' : 'paused' };
    case 'requeued':
    case 'retry':
      if (job.requested === 'cancel') return { status: 'cancelled' };
      if (job.requested === 'pause') return { status: 'paused' };
      if (outcome.type === 'retry' && job.attempts_without_checkpoint >= attemptLimit)
        return { status: 'failed', error: exhausted(outcome.error) };
      return { status: 'queued', error: outcome.type === 'retry' ? outcome.error : null };
  }
};

const change = async (queries: Statements, job: JobRow, outcome: Outcome): Promise<StatusChange> =>
  outcome.type === 'succeeded'
    ? { status: 'succeeded', model_id: await publish(queries, job, outcome) }
    : givenBack(job, outcome);

const finish = async (queries: Statements, claim: Claim, outcome: Outcome): Promise<Finished | null> => {
  const job = await lockClaimed(queries, claim);
  if (!job) return null;
  const next = await change(queries, job, outcome);
  if (outcome.type === 'paused' || outcome.type === 'requeued')
    await queries.$executeRaw`
      UPDATE job_heads SET attempts_without_checkpoint = GREATEST(attempts_without_checkpoint - 1, 0)
      WHERE job_id = ${job.id}`;
  const head = await changeStatus(queries, job, next);
  const again = next.status === 'queued';
  const ticket = again && outcome.type !== 'requeued' ? await countEnqueue(queries, job) : job;
  return {
    status: next.status,
    model_id: next.model_id ?? null,
    head,
    enqueue: again ? toTicket(ticket) : null,
  };
};

export const createFinish =
  (database: Database): JobRepository['finish'] =>
  (claim, outcome) =>
    database.transaction((queries) => finish(queries, claim, outcome));
