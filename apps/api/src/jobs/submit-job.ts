import type { ErrorCode, JobResource, JobSpec } from '@unfold/contracts';
import type { Created, Idempotency, Quota } from '@unfold/store';
import type { ApiContext } from '../context.ts';
import { admissionErrors, admitJob } from './admission.ts';
import { enqueueSoon } from './carry.ts';

/** What {@link submitJob} may refuse a job with. */
export const submissionErrors: ErrorCode[] = [
  ...admissionErrors,
  'queue_full',
  'quota_exceeded',
  'idempotency_mismatch',
  'idempotency_in_progress',
];

const hasLimit = (quota: Quota | null): boolean =>
  quota !== null && (quota.concurrent_jobs !== null || quota.stored_bytes !== null);

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
  const asked = await specOf();
  const { start } = await admitJob(context, project, asked);
  // A name may belong to another model by the time the job runs.
  const spec = start ? { ...asked, start_from: { ...asked.start_from!, model: start.id } } : asked;
  const created =
    idempotency || start || hasLimit(quota)
      ? await store.jobs.create(project, spec, idempotency, start, quota)
      : await context.jobIntake.store({ project, spec, key_id: quota?.key_id ?? null });
  await enqueueSoon(context, created.enqueue);
  // Its log has the one frame that says that it is queued.
  if (!created.replayed) void context.queue.announce({ job_id: created.resource.id, seq: 1 });
  return created;
};
