import type { JobResource } from '@unfold/contracts';
import { currentAccess, deleteOnLeaving } from '../api.ts';
import { describeError } from '../describe-error.ts';
import { createExternal } from '../external.ts';
import { removeJob } from '../live/jobs.ts';
import { tell } from '../ui/toasts.tsx';
import { titleOf } from './describe-job.ts';

/** Runs that are shown no more and will be deleted, unless that is undone. */
export const deleting = createExternal<ReadonlySet<string>>(new Set());

const drop = (id: string): boolean => {
  const left = new Set(deleting.get());
  const was = left.delete(id);
  deleting.set(left);
  return was;
};

const deleteNow = async (job: JobResource): Promise<void> => {
  try {
    await currentAccess().client.jobs.delete(job.id);
    removeJob(job.id);
  } catch (error) {
    tell(`${titleOf(job)} is still there: ${describeError(error).message}`, { kind: 'error' });
  } finally {
    drop(job.id);
  }
};

/** Hides a finished run and deletes it once it is too late to undo that. */
export const deleteLater = (job: JobResource): void => {
  deleting.set(new Set([...deleting.get(), job.id]));
  tell(`Deleted ${titleOf(job)}`, { undo: () => drop(job.id), over: () => void deleteNow(job) });
};

// Whoever leaves the page has not undone it.
addEventListener('pagehide', () => {
  for (const id of deleting.get()) deleteOnLeaving(`/v1/jobs/${id}`);
  deleting.set(new Set());
});
