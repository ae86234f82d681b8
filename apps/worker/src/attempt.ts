import { type JobProgress, type JobRequest, UnfoldError } from '@unfold/contracts';
import type { Queue } from '@unfold/queue';
import { DeviceLostError } from '@unfold/rnn/engines';
import type { Claimed, Finished, Outcome, Store } from '@unfold/store';
import type { Span, Tracing } from '@unfold/telemetry';
import type { Logger } from 'pino';
import { openDataFile } from './data-files.ts';
import { type Journal, openJournal } from './journal.ts';
import type { WorkerMetrics } from './metrics.ts';
import { Cancelled, FencedOff, outcomeOfError, toUnfoldError } from './outcome-of-error.ts';
import type { Persist } from './persist.ts';
import { publishedModel } from './published-model.ts';
import { readResumePoint } from './resume-point.ts';
import type { Scratch } from './scratch.ts';
import { readStartWeights } from './start-weights.ts';
import { removeStrayFiles } from './stray-files.ts';
import { startTraining, type Training } from './training-host.ts';

export interface AttemptServices {
  store: Store;
  queue: Pick<Queue, 'announce'>;
  persist: Persist;
  scratch: Scratch;
  log: Logger;
  metrics: WorkerMetrics;
  tracing: Tracing;
  threads: number | null;
  deviceMemory: number | null;
  storagePatienceMs: number;
}

/** One attempt at a job, from the claim to what became of it. */
export interface Attempt {
  readonly job_id: string;
  /** Null if the attempt was fenced off. Never rejects but for a defect of ours. */
  readonly done: Promise<Finished | null>;
  /** Something was requested: look now rather than at the next heartbeat. */
  look(): void;
  /** Whether it ended since the GPU was lost. */
  lostDevice(): boolean;
  /** The worker is stopping: write a checkpoint and give the job back. */
  stop(): void;
}

/** @param parent the span of the attempt, for those of its checkpoints */
export const startAttempt = (services: AttemptServices, claimed: Claimed, parent: string | null): Attempt => {
  const { store, persist, scratch, metrics, tracing } = services;
  const { claim, spec } = claimed;
  const name = `${claim.job_id}-${claim.attempt}`;
  const log = services.log.child({ job_id: claim.job_id, attempt: claim.attempt });
  const abort = new AbortController();
  const aborted = new Promise<never>((_, reject) => {
    abort.signal.addEventListener('abort', () => reject(abort.signal.reason));
  });
  aborted.catch(() => undefined);
  /** Written one at a time. */
  let checkpointSpan: Span | null = null;
  let requested: JobRequest | null = null;
  let stopping = false;
  let training: Training | null = null;

  /** What was counted already: a run that goes on begins with the numbers of the one before. */
  let counted: Pick<JobProgress, 'step' | 'tokens'> | null =
    claimed.resume === null ? { step: 0, tokens: 0 } : null;
  const count = (now: JobProgress): void => {
    if (counted !== null) {
      // A roll-back goes back in steps, not in work done.
      metrics.steps.inc(Math.max(0, now.step - counted.step));
      metrics.tokens.inc(Math.max(0, now.tokens - counted.tokens));
    }
    counted = now;
  };

  /** Settles like `work` unless the attempt is aborted first. */
  const unlessAborted = <T>(work: Promise<T>): Promise<T> => Promise.race([work, aborted]);

  const steer = (): void => {
    if (stopping || requested === 'pause') training?.stop();
    else training?.goOn();
  };

  const journal: Journal = openJournal({
    ...services,
    ...claimed,
    storage: { patienceMs: services.storagePatienceMs, givesUp: () => stopping },
    onRequested: (now) => {
      requested = now;
      if (now === 'cancel') abort.abort(new Cancelled('The job was cancelled.'));
      else steer();
    },
    onWritten: (entries) => training?.entriesWritten(entries),
    onCheckpointSettled: () => {
      checkpointSpan?.end();
      checkpointSpan = null;
      training?.checkpointSettled();
    },
    onFailure: (error) => abort.abort(error),
  });

  /** Why training was interrupted, asked anew: a pause may have been withdrawn since, and then the job goes on. */
  const interruption = async (): Promise<Outcome> => {
    await unlessAborted(journal.ask());
    return { type: requested === 'pause' ? 'paused' : 'requeued' };
  };

  const work = async (): Promise<Outcome> => {
    const folder = await scratch.open(name);
    const data = await openDataFile(store, spec.file, 'file');
    const validation =
      spec.validation_file && (await openDataFile(store, spec.validation_file, 'validation_file'));
    const strays = await removeStrayFiles(store, claimed);
    if (strays > 0) log.info({ strays }, 'Removed files that an earlier attempt had not recorded.');
    const resume = await readResumePoint(store, claimed, journal);
    const start =
      resume === null && spec.start_from !== null ? await readStartWeights(store, claim.job_id) : null;
    abort.signal.throwIfAborted();
    if (stopping || requested === 'pause') return interruption();
    training = startTraining(
      {
        spec,
        attempt: claim.attempt,
        data,
        validation,
        scratch: folder,
        resume,
        start,
        engine: claimed.engine,
        threads: services.threads,
        deviceMemory: services.deviceMemory,
      },
      {
        onFrame: ({ body }) => journal.frame(body),
        onProgress: ({ progress }) => {
          count(progress);
          journal.progress(progress);
        },
        onCheckpoint: (checkpoint) => {
          checkpointSpan = tracing.start('checkpoint', {
            parent,
            attributes: { 'unfold.bytes': checkpoint.data.length },
          });
          metrics.checkpoints.inc();
          metrics.checkpointBytes.inc(checkpoint.data.length);
          journal.checkpoint(checkpoint);
        },
      },
    );
    const outcome = await unlessAborted(training.done);
    await unlessAborted(journal.drained());
    // Gives the engine's memory back before more is needed.
    await training.terminate();
    log.info({ outcome }, 'Training ended.');
    return outcome.type === 'stopped'
      ? interruption()
      : publishedModel({
          store,
          claimed,
          journal,
          signal: abort.signal,
          storagePatienceMs: services.storagePatienceMs,
          stopping: () => stopping,
        });
  };

  let lostDevice = false;

  const ofError = (error: unknown): Outcome | null => {
    lostDevice = error instanceof UnfoldError && error.cause instanceof DeviceLostError;
    // A worker that stops while the disk is full gives the job back without its last steps.
    if (stopping && toUnfoldError(error).code === 'storage_full') return { type: 'requeued' };
    const outcome = outcomeOfError(error);
    const level = outcome.type === 'failed' || outcome.type === 'retry' ? 'error' : 'info';
    log[level]({ err: error, outcome }, 'The attempt was ended.');
    if (outcome.type === 'retry')
      journal.log('warning', `Attempt ${claim.attempt} was ended: ${outcome.error.message}`);
    return outcome.type === 'fenced' ? null : outcome;
  };

  /** Writes what is left. A cancelled job waits for no file; a failed one keeps every checkpoint that it can. */
  const closeJournal = async (outcome: Outcome): Promise<void> => {
    try {
      await journal.stop(outcome.type === 'cancelled' ? 'discard' : undefined);
    } catch (error) {
      if (error instanceof FencedOff) throw error;
      log.warn({ err: error }, 'What was not written yet is lost.');
    }
  };

  const finish = async (outcome: Outcome): Promise<Finished | null> => {
    const finished = await persist('finish', async (uncertain) => {
      const result = await store.jobs.finish(claim, outcome);
      return result ?? (uncertain ? finishedBefore() : null);
    });
    if (finished === null && outcome.type === 'succeeded') await store.artifacts.remove(outcome.weights.path);
    return finished;
  };

  /** Only the owner of a running job ends its attempt, so one that has ended was ended by a call without an answer. */
  const finishedBefore = async (): Promise<Finished | null> => {
    const { attempt, status, model_id } = await store.jobs.get(claimed.project, claim.job_id);
    if (attempt !== claim.attempt || status === 'running') return null;
    const { head } = (await store.events.heads([claim.job_id])).get(claim.job_id) ?? { head: 0 };
    const waiting = status === 'queued' ? await store.jobs.queued() : [];
    return { status, model_id, head, enqueue: waiting.find(({ job_id }) => job_id === claim.job_id) ?? null };
  };

  const run = async (): Promise<Finished | null> => {
    try {
      const outcome = await unlessAborted(work()).catch(ofError);
      const terminated = training?.terminate();
      if (outcome === null) return null;
      await closeJournal(outcome);
      const finished = await finish(outcome);
      if (finished) log.info({ status: finished.status }, 'The attempt is over.');
      await terminated;
      return finished;
    } catch (error) {
      if (error instanceof FencedOff) return null;
      throw error;
    } finally {
      await training?.terminate();
      await journal.stop('discard').catch(() => undefined);
      await journal.cleaned();
      await scratch.close(name);
    }
  };

  return {
    job_id: claim.job_id,
    done: run(),
    lostDevice: () => lostDevice,
    look: () => void journal.ask().catch(() => undefined),
    stop: () => {
      stopping = true;
      steer();
    },
  };
};
