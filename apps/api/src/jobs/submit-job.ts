import { setImmediate as nextTurn } from 'node:timers/promises';
import { type ErrorCode, type JobResource, type JobSpec, UnfoldError, withinField } from '@unfold/contracts';
import type { Created, EnqueueTicket, Idempotency, Quota, StartingJob } from '@unfold/store';
import type { ApiContext } from '../context.ts';
import { admissionErrors, admitJob } from './admission.ts';
import { enqueueSoon } from './carry.ts';

/** What {@link submitJob} and {@link submitJobs} may refuse jobs with. */
export const submissionErrors: ErrorCode[] = [
  ...admissionErrors,
  'queue_full',
  'quota_exceeded',
  'idempotency_mismatch',
  'idempotency_in_progress',
];

const hasLimit = (quota: Quota | null): boolean =>
  quota !== null && (quota.concurrent_jobs !== null || quota.stored_bytes !== null);

/** A spec that may be posted, and the model that it starts from. */
const admit = async (context: ApiContext, project: string, asked: JobSpec): Promise<StartingJob> => {
  const { start } = await admitJob(context, project, asked);
  // A name may belong to another model by the time the job runs.
  const spec = start ? { ...asked, start_from: { ...asked.start_from!, model: start.id } } : asked;
  return { spec, start };
};

/** Hands new jobs to the workers and to whoever follows. */
const launch = async (context: ApiContext, tickets: readonly EnqueueTicket[]): Promise<void> => {
  await enqueueSoon(context, tickets);
  // Their logs have the one frame that says that they are queued.
  for (const { job_id } of tickets) void context.queue.announce({ job_id, seq: 1 });
};

/**
 * Checks, stores and enqueues a job that was not posted before with this `Idempotency-Key`.
 * @param specOf asked only if nothing is replayed: a replay must not fail because the world has changed since
 * @throws UnfoldError of {@link submissionErrors}
 */
export const submitJob = async (
  context: ApiContext,
  project: string,
  idempotency: Idempotency | undefined,
  specOf: () => JobSpec | Promise<JobSpec>,
  quota: Quota | null,
): Promise<Created<JobResource>> => {
  const { store } = context;
  const answer = idempotency && (await store.replay<JobResource>(project, idempotency));
  if (answer) return { resource: answer, replayed: true };
  const { spec, start } = await admit(context, project, await specOf());
  const { enqueue, ...created } =
    idempotency || start || hasLimit(quota)
      ? await store.jobs.create(project, spec, idempotency, start, quota)
      : await context.jobIntake.store({ project, spec, key_id: quota?.key_id ?? null });
  await launch(context, enqueue ? [enqueue] : []);
  return created;
};

/** So many specs are checked in one turn, a millisecond or two, before other requests have theirs. */
const specsPerTurn = 20;

const admitAll = async (
  context: ApiContext,
  project: string,
  specs: readonly JobSpec[],
): Promise<StartingJob[]> => {
  const admitted: StartingJob[] = [];
  for (const [k, spec] of specs.entries()) {
    if (k % specsPerTurn === specsPerTurn - 1) await nextTurn();
    try {
      admitted.push(await admit(context, project, spec));
    } catch (error) {
      throw error instanceof UnfoldError ? withinField(error, `jobs[${k}]`) : error;
    }
  }
  return admitted;
};

/**
 * The same for several, all or none. Errors of one name their field as `jobs[3].file`.
 * @throws UnfoldError of {@link submissionErrors}
 */
export const submitJobs = async (
  context: ApiContext,
  project: string,
  idempotency: Idempotency | undefined,
  specs: readonly JobSpec[],
  quota: Quota | null,
): Promise<Created<JobResource[]>> => {
  const { store } = context;
  const answer = idempotency && (await store.replay<JobResource[]>(project, idempotency));
  if (answer) return { resource: answer, replayed: true };
  const jobs = await admitAll(context, project, specs);
  const { enqueue, ...created } = await store.jobs.createAll(project, jobs, idempotency, quota);
  await launch(context, enqueue);
  return created;
};
