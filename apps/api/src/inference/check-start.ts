import type { JobSpec } from '@unfold/contracts';
import { completeSpec, expectTransferable } from '@unfold/rnn';

/**
 * Whether a job can start from a model of this spec, without reading its weights.
 * @throws UnfoldError `impossible_with_data` naming the fields that differ
 */
export const checkStart = (spec: JobSpec, source: JobSpec): void =>
  // What an earlier version wrote lacks the fields of a later one.
  expectTransferable(spec, completeSpec(source));
