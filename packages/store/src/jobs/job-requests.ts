import { type JobRequest, type JobSpec, type ResumeRequest, UnfoldError } from '@unfold/contracts';
import { toJson } from '../clean-json.ts';
import type { Database, Statements } from '../database.ts';
import { notFound } from '../pages.ts';
import { requireJobRoom, requireStorage } from '../quotas.ts';
import type { JobRepository, Quota } from '../repositories.ts';
import { changeStatus, countEnqueue, lockJob, setRequested } from './job-changes.ts';
import { findJob, type JobRow, toJobResource, toTicket } from './job-row.ts';

const wrongState = (job: JobRow, action: string, instead = ''): UnfoldError =>
  new UnfoldError('wrong_state', `Job ${job.id} is ${job.status}: it cannot be ${action}.${instead}`);

const locked = async (queries: Statements, project: string, id: string): Promise<JobRow> => {
  const job = await lockJob(queries, id, project);
  if (!job) throw notFound('job', id);
  return job;
};

const reread = async (queries: Statements, id: string) => {
  const job = await findJob(queries, id);
  if (!job) throw notFound('job', id);
  return toJobResource(job);
};

const past = { pause: 'paused', cancel: 'cancelled' } as const;

/** Carries out a pause or a cancel, or asks the worker to. True if the job changed at once. */
const carryOut = async (queries: Statements, job: JobRow, action: JobRequest): Promise<boolean> => {
  const target = past[action];
  switch (job.status) {
    case 'running':
      // A cancel beats a pause, whichever came first.
      if (job.requested !== 'cancel') await setRequested(queries, job, action);
      return false;
    case 'queued':
      await changeStatus(queries, job, { status: target });
      return true;
    case 'paused':
      if (action === 'pause') return false;
      await changeStatus(queries, job, { status: target });
      return true;
    case 'cancelled':
      if (action === 'cancel') return false;
      throw wrongState(job, target);
    case 'succeeded':
    case 'failed':
      throw wrongState(job, target);
  }
};

export const createRequest =
  (database: Database): JobRepository['request'] =>
  (project, id, action) =>
    database.transaction(async (queries) => {
      const job = await locked(queries, project, id);
      const changed = await carryOut(queries, job, action);
      return {
        job: await reread(queries, id),
        running: job.status === 'running',
        removed: changed && job.status === 'queued' ? toTicket(job) : null,
      };
    });

const tooLittle = (param: string, done: string, received: unknown): UnfoldError =>
  new UnfoldError('invalid_value', `${param}: expected ${done}, but received ${received}.`, { param });

/** The spec with more to do. What is asked may be less than before, but not less than is done. */
const withMore = (job: JobRow, { epochs, max_steps }: ResumeRequest): JobSpec => {
  const { progress, spec } = job;
  if (epochs !== undefined && epochs < progress.epoch)
    throw tooLittle(
      'epochs',
      `at least ${Math.ceil(progress.epoch)}, since ${Number(progress.epoch.toFixed(2))} are done`,
      epochs,
    );
  if (max_steps !== undefined && max_steps !== null && max_steps < progress.step)
    throw tooLittle('max_steps', `at least ${progress.step}, since so many are done`, max_steps);
  return {
    ...spec,
    training: {
      ...spec.training,
      ...(epochs === undefined ? {} : { epochs }),
      ...(max_steps === undefined ? {} : { max_steps }),
    },
  };
};

/** A finished job does not keep its file from being deleted. Locked, so that it stays until the job is queued. */
const checkFiles = async (queries: Statements, job: JobRow): Promise<void> => {
  for (const [param, id] of [
    ['file', job.file],
    ['validation_file', job.validation_file],
  ] as const) {
    if (id === null) continue;
    const found = await queries.$queryRaw<object[]>`SELECT id FROM files WHERE id = ${id} FOR KEY SHARE`;
    if (found.length === 0)
      throw new UnfoldError('impossible_with_data', `The file ${id} of this job has been deleted.`, {
        param,
      });
  }
};

const requeue = async (
  queries: Statements,
  job: JobRow,
  change: ResumeRequest,
  quota: Quota | null,
): Promise<JobRow> => {
  const spec = withMore(job, change);
  await checkFiles(queries, job);
  await requireJobRoom(queries, quota, 1);
  await requireStorage(queries, quota, 0);
  await queries.$executeRaw`
    UPDATE jobs SET spec = ${toJson(spec)}::json, key_id = coalesce(${quota?.key_id ?? null}, key_id)
    WHERE id = ${job.id}`;
  await queries.$executeRaw`
    UPDATE job_heads SET attempts_without_checkpoint = 0 WHERE job_id = ${job.id}`;
  await changeStatus(queries, job, { status: 'queued' });
  return countEnqueue(queries, job);
};

const refuseChange = (job: JobRow, change: ResumeRequest): void => {
  const asked = (['epochs', 'max_steps'] as const).find((field) => change[field] !== undefined);
  if (asked)
    throw new UnfoldError(
      'wrong_state',
      `Job ${job.id} is ${job.status}: ${asked} can be changed only while it is paused, failed or cancelled.`,
      { param: asked },
    );
};

export const createResume =
  (database: Database): JobRepository['resume'] =>
  (project, id, change = {}, quota = null) =>
    database.transaction(async (queries) => {
      const job = await locked(queries, project, id);
      const unchanged = async () => ({
        job: await reread(queries, id),
        running: job.status === 'running',
        enqueue: null,
      });
      switch (job.status) {
        case 'succeeded':
          throw wrongState(job, 'resumed');
        case 'running':
          if (job.requested === 'cancel')
            throw wrongState(job, 'resumed while it is being cancelled', ' Try again when it is cancelled.');
          refuseChange(job, change);
          if (job.requested === 'pause') await setRequested(queries, job, null);
          return unchanged();
        case 'queued':
          refuseChange(job, change);
          return unchanged();
        case 'paused':
        case 'failed':
        case 'cancelled': {
          const queued = await requeue(queries, job, change, quota);
          return { job: await reread(queries, id), running: false, enqueue: toTicket(queued) };
        }
      }
    });
