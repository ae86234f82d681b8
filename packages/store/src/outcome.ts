import type { JobError, JobStatus } from '@unfold/contracts';
import type { EnqueueTicket } from './claim.ts';

/** A file of the artifact store, as `artifacts.write` described it. `path` is relative to the store. */
export interface ArtifactRecord {
  path: string;
  bytes: number;
  sha256: string;
}

/** How an attempt ended. */
export type Outcome =
  /** The whole training is done; `weights` becomes the model that the job publishes. */
  | {
      type: 'succeeded';
      checkpoint_id: string | null;
      parameters: number;
      vocabulary_size: number;
      weights: ArtifactRecord;
    }
  | { type: 'failed'; error: JobError }
  | { type: 'cancelled' }
  /** A checkpoint was recorded and the device is free. */
  | { type: 'paused' }
  /** An orderly stop of the worker: back to the queue, costs no attempt. */
  | { type: 'requeued' }
  /** A failure that another attempt may mend; the third without a new checkpoint fails the job. */
  | { type: 'retry'; error: JobError };

/** What became of the job, which is not always what the worker reported: a cancel beats a pause or a retry. */
export interface Finished {
  status: JobStatus;
  model_id: string | null;
  /** Sequence number of the status frame. */
  head: number;
  /**
   * The job goes on and the caller must see to it. After `requeued` the ticket is the one that the queue already
   * holds: hand the delivery back to the queue. Otherwise it is a new one: enqueue it and end the delivery.
   */
  enqueue: EnqueueTicket | null;
}
