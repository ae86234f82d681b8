import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { UnfoldError } from '@unfold/contracts';
import type { TrainingOutcome } from '@unfold/rnn';
import { DeviceLostError } from '@unfold/rnn/engines';
import { toUnfoldError } from './outcome-of-error.ts';
import {
  cells,
  type ExportedWeights,
  type ProducedCheckpoint,
  sharedBytes,
  type ThreadMessage,
  type ThreadOrder,
  type TrainOrder,
  wishes,
} from './thread-messages.ts';

// Threads load files, so this names what the build makes of training-thread.ts.
const threadUrl = new URL('./training-thread.js', import.meta.url);

const revive = (failure: Extract<ThreadMessage, { kind: 'failed' }>['failure']): UnfoldError => {
  const cause = failure.device_lost ? new DeviceLostError(failure.message) : undefined;
  const error = new UnfoldError(failure.code, failure.message, { param: failure.param, cause });
  if (failure.stack) error.stack = failure.stack;
  return error;
};

/** How long a thread that must not be interrupted may take to its next step before it is ended all the same. */
const abandonMs = 60_000;

const lost = (cause: unknown): UnfoldError =>
  new UnfoldError('worker_lost', 'The thread that trained this job ended unexpectedly.', { cause });

interface Thread {
  /** Rejects with what ended the thread if it ended before `settle` was called. */
  ended: Promise<never>;
  exited: Promise<void>;
  terminate(): Promise<void>;
}

const startThread = (
  order: ThreadOrder,
  transfer: ArrayBuffer[],
  onMessage: (message: ThreadMessage) => void,
): Thread => {
  const worker = new Worker(threadUrl, { workerData: order, transferList: transfer });
  const ended = new Promise<never>((_, reject) => {
    worker.on('message', (message: ThreadMessage) => {
      if (message.kind === 'failed') reject(revive(message.failure));
      else onMessage(message);
    });
    worker.once('messageerror', (error) => reject(lost(error)));
    // What escapes the thread's own handling: it ran out of heap, or the process cannot start it.
    worker.once('error', (error) => {
      const known = toUnfoldError(error);
      reject(known.code === 'internal' ? lost(error) : known);
    });
    worker.once('exit', (code) => reject(lost(new Error(`exit code ${code}`))));
  });
  ended.catch(() => undefined);
  const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
  return { ended, exited, terminate: () => worker.terminate().then(() => undefined) };
};

const transferable = (bytes: Uint8Array): ArrayBuffer[] =>
  bytes.byteLength === bytes.buffer.byteLength && bytes.buffer instanceof ArrayBuffer ? [bytes.buffer] : [];

export interface TrainingHandlers {
  onFrame(message: Extract<ThreadMessage, { kind: 'frame' }>): void;
  onProgress(message: Extract<ThreadMessage, { kind: 'progress' }>): void;
  onCheckpoint(checkpoint: ProducedCheckpoint): void;
}

/** A training that runs in a thread of its own. */
export interface Training {
  /** How the training ended; rejects with the `UnfoldError` that ended it. */
  done: Promise<TrainingOutcome>;
  /** Stop after the present step with a checkpoint, or go on after all. */
  stop(): void;
  goOn(): void;
  /** So many entries more have reached the event log. */
  entriesWritten(count: number): void;
  checkpointSettled(): void;
  /** Ends the thread, wherever it is: at once, but one that computes on a GPU at its next step. */
  terminate(): Promise<void>;
}

/** Starts a training. The bytes of `resume` and `start` change hands and are gone for the caller. */
export const startTraining = (
  order: Omit<TrainOrder, 'kind' | 'shared'>,
  handlers: TrainingHandlers,
): Training => {
  const shared = new SharedArrayBuffer(sharedBytes);
  const view = new Int32Array(shared);
  let finished: (outcome: TrainingOutcome) => void = () => {};
  const outcome = new Promise<TrainingOutcome>((resolve) => {
    finished = resolve;
  });
  const transfer = [order.resume, order.start].flatMap((bytes) => (bytes ? transferable(bytes) : []));
  const thread = startThread({ kind: 'train', ...order, shared }, transfer, (message) => {
    if (message.kind === 'frame') handlers.onFrame(message);
    else if (message.kind === 'progress') handlers.onProgress(message);
    else if (message.kind === 'checkpoint') handlers.onCheckpoint(message.checkpoint);
    else if (message.kind === 'trained') finished(message.outcome);
  });
  /** A thread that is interrupted within a call of a GPU's driver takes the whole process with it, so it ends by itself, at its next step. */
  const abandon = async (): Promise<void> => {
    Atomics.store(view, cells.abandoned, 1);
    for (const cell of [cells.entriesWritten, cells.checkpointsSettled]) Atomics.notify(view, cell);
    const patience = new AbortController();
    await Promise.race([
      thread.exited,
      delay(abandonMs, undefined, { signal: patience.signal, ref: false }).catch(() => undefined),
    ]);
    patience.abort();
    await thread.terminate();
  };
  const advance = (cell: number, count: number): void => {
    Atomics.add(view, cell, count);
    Atomics.notify(view, cell);
  };
  return {
    done: Promise.race([outcome, thread.ended]),
    stop: () => void Atomics.store(view, cells.wish, wishes.stop),
    goOn: () => void Atomics.store(view, cells.wish, wishes.goOn),
    entriesWritten: (count) => advance(cells.entriesWritten, count),
    checkpointSettled: () => advance(cells.checkpointsSettled, 1),
    terminate: order.engine === 'webgpu' ? abandon : thread.terminate,
  };
};

/** Makes the published weights of a checkpoint, in a thread: for a large model that takes a while. */
export const exportInThread = async (
  checkpoint: Uint8Array,
  signal: AbortSignal,
): Promise<ExportedWeights> => {
  let exported: (result: ExportedWeights) => void = () => {};
  const result = new Promise<ExportedWeights>((resolve) => {
    exported = resolve;
  });
  const thread = startThread({ kind: 'export', checkpoint }, transferable(checkpoint), (message) => {
    if (message.kind === 'exported') exported(message.result);
  });
  const onAbort = (): void => void thread.terminate();
  signal.addEventListener('abort', onAbort);
  try {
    return await Promise.race([result, thread.ended]);
  } finally {
    signal.removeEventListener('abort', onAbort);
    await thread.terminate();
  }
};
