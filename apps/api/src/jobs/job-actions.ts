import type { JobRequest, JobResource, ResumeRequest } from '@unfold/contracts';
import type { Quota } from '@unfold/store';
import type { ApiContext } from '../context.ts';
import { announceHead, callWorker, enqueueSoon, takeBack } from './carry.ts';

/** Asks a job to pause or to be cancelled: the job table decides, then a running job's worker is told. */
export const askOfJob = async (
  context: ApiContext,
  project: string,
  id: string,
  action: JobRequest,
): Promise<JobResource> => {
  const { job, running, removed } = await context.store.jobs.request(project, id, action);
  if (running) await callWorker(context, id, action);
  await takeBack(context, removed);
  await announceHead(context, id);
  return job;
};

/** Queues a job again, or withdraws a pending pause. */
export const resumeJob = async (
  context: ApiContext,
  project: string,
  id: string,
  quota: Quota | null,
  change?: ResumeRequest,
): Promise<JobResource> => {
  const { job, running, enqueue } = await context.store.jobs.resume(project, id, change, quota);
  if (running) await callWorker(context, id, 'resume');
  await enqueueSoon(context, enqueue ? [enqueue] : []);
  await announceHead(context, id);
  return job;
};
