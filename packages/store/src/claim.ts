import type { DeviceClass, EngineName, JobSpec } from '@unfold/contracts';

/** What a worker shows with every write: it owns the job only while this attempt is the newest. */
export interface Claim {
  job_id: string;
  attempt: number;
}

/** Who claims a job. */
export interface ClaimedBy {
  /** The process's id. */
  worker: string;
  /** What it has, the one for jobs that name none first. */
  engines: readonly EngineName[];
  /** On which class of device its TensorFlow.js computes. Default cpu. */
  tfjs?: DeviceClass;
  /**
   * A running job whose owner wrote within this many milliseconds is not taken over: the delivery was a duplicate.
   * Default 1000, the longest that a live worker is silent.
   */
  takeover_ms?: number;
  /** An earlier answer to this claim was lost: an attempt that `worker` itself owns is nobody else's, and given up. */
  retried?: boolean;
}

/** The checkpoint that an attempt goes on from. `path` is relative to the artifact store. */
export interface ResumePoint {
  id: string;
  path: string;
  bytes: number;
  sha256: string;
  step: number;
}

/** A job that this worker now owns. A request that was pending before has been carried out, not claimed. */
export interface Claimed {
  claim: Claim;
  project: string;
  spec: JobSpec;
  /** What is to compute: what the spec names, even if this worker lacks it, or what suits the device that it names. */
  engine: EngineName;
  resume: ResumePoint | null;
  /** Sequence number of the last frame so far, `status running` and `restart` included. */
  head: number;
  /** Since the job joined the queue; null for one that was taken over from a worker that is gone. */
  waited_seconds: number | null;
}

/** What the queue needs to carry a job: the queue's own id is `<job_id>-<enqueue_count>`. */
export interface EnqueueTicket {
  job_id: string;
  enqueue_count: number;
  /** −100…100, higher first. */
  priority: number;
  /** The class of device that the job needs; null: any. */
  device: DeviceClass | null;
  /** Of a ticket that is made again: the span that was kept of the job's last enqueueing. */
  traceparent?: string | null;
}
