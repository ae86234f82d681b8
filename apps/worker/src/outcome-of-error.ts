import type { ErrorCode, JobError } from '@unfold/contracts';
import { UnfoldError } from '@unfold/contracts/values';
import { DeviceLostError, DeviceMemoryError } from '@unfold/rnn/engines';

/** What an error makes of the job whose attempt it ended. */
export type ErrorOutcome =
  | { type: 'retry'; error: JobError }
  | { type: 'failed'; error: JobError }
  | { type: 'cancelled' }
  | { type: 'fenced' };

/** The job was cancelled while its attempt ran. */
export class Cancelled extends Error {
  override readonly name = 'Cancelled';
}

/** Another attempt owns the job: whatever this one still holds must not be written. */
export class FencedOff extends Error {
  override readonly name = 'FencedOff';
}

const systemCodes: Record<string, ErrorCode> = {
  ENOSPC: 'storage_full',
  EDQUOT: 'storage_full',
  EFBIG: 'storage_full',
  ENOMEM: 'out_of_memory',
  ERR_WORKER_OUT_OF_MEMORY: 'worker_lost',
  ECONNREFUSED: 'unavailable',
  ECONNRESET: 'unavailable',
  EPIPE: 'unavailable',
  ETIMEDOUT: 'unavailable',
  ENOTFOUND: 'unavailable',
  EAI_AGAIN: 'unavailable',
};

const publicTexts: Partial<Record<ErrorCode, string>> = {
  storage_full: 'The disk is full.',
  out_of_memory: 'There is not enough memory for this job.',
  worker_lost: 'The process that trained this job ended unexpectedly.',
  unavailable: 'A service that the job needs could not be reached.',
};

const isAllocationFailure = (error: unknown): boolean =>
  error instanceof RangeError &&
  /allocation failed|invalid (typed )?array (buffer )?length/i.test(error.message);

/**
 * Gives any error its place in the catalogue. What is not known there is `internal`: its text stays in the log, since
 * it may hold what clients must not see.
 */
export const toUnfoldError = (error: unknown): UnfoldError => {
  if (error instanceof UnfoldError) return error;
  // Another worker, or this one on the device that comes back, goes on from the newest checkpoint.
  if (error instanceof DeviceLostError)
    return new UnfoldError('worker_lost', 'The GPU that trained this job was lost.', { cause: error });
  if (error instanceof DeviceMemoryError)
    return new UnfoldError('out_of_memory', 'The GPU has not enough memory for this job.', { cause: error });
  const { code } = (error ?? {}) as { code?: unknown };
  const known = isAllocationFailure(error) ? 'out_of_memory' : systemCodes[String(code)];
  if (known) return new UnfoldError(known, publicTexts[known] ?? known, { cause: error });
  return new UnfoldError('internal', "The worker met an unexpected error; the worker's log has it.", {
    cause: error,
  });
};

/**
 * The one place that decides what becomes of a job when its attempt ends with an error. Every code of the catalogue is
 * named, so that a new one does not compile until it is decided on.
 *
 * - retry: the same attempt may succeed later or elsewhere; three of them without a new checkpoint end the job
 *   (`attempts_exhausted`, decided by the store when the next attempt begins).
 * - failed: the owner must change something first. A failed job can be resumed from its newest checkpoint.
 */
export const outcomeOfError = (error: unknown): ErrorOutcome => {
  if (error instanceof FencedOff) return { type: 'fenced' };
  if (error instanceof Cancelled) return { type: 'cancelled' };
  const { code, message, param } = toUnfoldError(error);
  const jobError: JobError = { code, message, param };
  switch (code) {
    case 'unavailable':
    case 'overloaded':
    case 'rate_limited':
    case 'quota_exceeded':
    case 'queue_full':
    case 'session_limit':
    case 'worker_lost':
      return { type: 'retry', error: jobError };
    // A full disk was waited for already, as long as the configuration allows: see checkpoint-writer.ts.
    case 'storage_full':
    case 'diverged':
    case 'engine_unavailable':
    case 'out_of_memory':
    case 'data_missing':
    case 'data_changed':
    case 'artifact_corrupt':
    case 'attempts_exhausted':
    case 'internal':
    case 'range_not_satisfiable':
    case 'session_busy':
    case 'snapshot_limit':
    case 'empty_file':
    case 'invalid_utf8':
    case 'text_too_short':
    case 'impossible_with_data':
    case 'invalid_data':
    case 'invalid_weights':
    case 'limit_exceeded':
    case 'malformed_body':
    case 'invalid_value':
    case 'missing_field':
    case 'unknown_field':
    case 'contradictory_options':
    case 'payload_too_large':
    case 'unsupported_media_type':
    case 'not_found':
      return { type: 'failed', error: jobError };
    // These answer requests; that training met one is a defect of ours.
    case 'upload_interrupted':
    case 'invalid_api_key':
    case 'insufficient_scope':
    case 'forbidden_origin':
    case 'forbidden_host':
    case 'method_not_allowed':
    case 'upgrade_required':
    case 'wrong_state':
    case 'in_use':
    case 'idempotency_in_progress':
    case 'idempotency_mismatch':
      return { type: 'failed', error: { ...jobError, code: 'internal' } };
    default:
      return code satisfies never;
  }
};
