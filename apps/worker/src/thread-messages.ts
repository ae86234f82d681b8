import type { ErrorCode, FrameBody, JobProgress, JobSpec } from '@unfold/contracts';
import type { BackendName, TrainingOutcome } from '@unfold/rnn';

/**
 * Cells of the Int32Array that the main thread and the training thread share. Each has one writer, and waking its reader
 * is the writer's duty (`Atomics.notify`).
 */
export const cells = {
  /** What the training is to do after the step it is in: one of `wishes`. Written by the main thread. */
  wish: 0,
  /** How many entries of the thread have reached the event log. Written by the main thread. */
  entriesWritten: 1,
  /** How many checkpoints of the thread are settled: recorded or given up. Written by the main thread. */
  checkpointsSettled: 2,
  /** 1: the thread is to end at its next step, with nothing to show. Written by the main thread. */
  abandoned: 3,
} as const;
export const sharedBytes = 4 * Int32Array.BYTES_PER_ELEMENT;

export const wishes = { goOn: 0, stop: 1 } as const;

/** Unwritten entries after which the thread waits for the event log: what bounds memory while the database is away. */
export const maxUnwrittenEntries = 4096;

export interface TrainOrder {
  kind: 'train';
  spec: JobSpec;
  attempt: number;
  /** Absolute paths of the texts. */
  data: string;
  validation: string | null;
  /** A folder of this attempt's own. */
  scratch: string;
  engine: BackendName;
  /** Null: one per processor. */
  threads: number | null;
  /** Bytes of a GPU that the job may take; null: as many as there are. */
  deviceMemory: number | null;
  resume: Uint8Array | null;
  /** Weights to start from, where there is nothing to resume. */
  start: Uint8Array | null;
  shared: SharedArrayBuffer;
}

export interface ExportOrder {
  kind: 'export';
  checkpoint: Uint8Array;
}

export type ThreadOrder = TrainOrder | ExportOrder;

/** What a model's row says of its weights. */
export interface ModelShape {
  parameters: number;
  vocabulary_size: number;
}

/** A checkpoint as training yields it; `data` is shared memory, which is written over once the checkpoint is settled. */
export interface ProducedCheckpoint extends ModelShape {
  step: number;
  data: Uint8Array;
  reason: 'scheduled' | 'evaluation' | 'requested' | 'final';
  validation_loss: number | null;
  best: boolean;
}

/** The weights of a checkpoint in the form that is published, in a buffer of their own. */
export interface ExportedWeights extends ModelShape {
  weights: Uint8Array<ArrayBuffer>;
}

/** An error as it crosses from one thread to the other. */
export interface ThreadFailure {
  code: ErrorCode;
  message: string;
  param: string | null;
  stack: string | null;
  /** The GPU was lost; this process will not get it back. */
  device_lost: boolean;
}

export type ThreadMessage =
  | { kind: 'frame'; body: FrameBody }
  | { kind: 'progress'; progress: JobProgress }
  | { kind: 'checkpoint'; checkpoint: ProducedCheckpoint }
  | { kind: 'trained'; outcome: TrainingOutcome }
  | { kind: 'exported'; result: ExportedWeights }
  | { kind: 'failed'; failure: ThreadFailure };
