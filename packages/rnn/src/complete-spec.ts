import { type JobSpec, type JobSpecInput, jobSpec, parseRequest } from '@unfold/contracts';

/** Stands in a spec for a file that the service does not know. */
const noFile = `file-${'0'.repeat(26)}`;

/**
 * Fills in every default of a spec, for use without the service: `file` may be left out, since `train` takes a path.
 * @throws UnfoldError that names the field which is wrong
 */
export const completeSpec = (spec: Partial<JobSpecInput> = {}): JobSpec =>
  parseRequest(jobSpec, { file: noFile, ...spec });
