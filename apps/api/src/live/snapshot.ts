import type { JobResource, JobStatus } from '@unfold/contracts';
import type { Store } from '@unfold/store';

const size = 100;
const unfinished = ['running', 'queued', 'paused'] as const satisfies JobStatus[];

const newestFirst = (a: JobResource, b: JobResource): number => (a.id < b.id ? 1 : a.id > b.id ? -1 : 0);

/** What a socket opens with: the newest unfinished jobs, filled up with the newest others, newest first. */
export const recentJobs = async (store: Pick<Store, 'jobs'>, project: string): Promise<JobResource[]> => {
  const lists = await Promise.all([
    ...unfinished.map((status) => store.jobs.list(project, { limit: size, status })),
    store.jobs.list(project, { limit: size }),
  ]);
  const chosen = new Map<string, JobResource>();
  for (const list of lists)
    for (const job of list.data) if (chosen.size < size && !chosen.has(job.id)) chosen.set(job.id, job);
  return [...chosen.values()].sort(newestFirst);
};
