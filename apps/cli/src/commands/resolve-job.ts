import type { Unfold } from '@unfold/client';
import type { JobResource } from '@unfold/contracts';
import { CommandError } from '../command-error.ts';

/** Jobs among which a name is looked for, the newest first. */
const mostSearched = 1000;

/** A job by its id, or the newest of a name. @throws CommandError, UnfoldError if there is none */
export const resolveJob = async (unfold: Unfold, reference: string): Promise<JobResource> => {
  if (reference.startsWith('job-')) return unfold.jobs.get(reference);
  let searched = 0;
  for await (const job of unfold.jobs.all()) {
    if (job.name === reference) return job;
    if (++searched >= mostSearched) break;
  }
  throw new CommandError(
    `No job is named "${reference}"${searched >= mostSearched ? ` among the newest ${mostSearched}` : ''}. See \`unfold jobs\`.`,
  );
};

/** Several of them, each asked for at once. */
export const resolveJobs = (unfold: Unfold, references: readonly string[]): Promise<JobResource[]> =>
  Promise.all(references.map((reference) => resolveJob(unfold, reference)));
