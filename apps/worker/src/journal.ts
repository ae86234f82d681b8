import { isDeepStrictEqual } from 'node:util';
import type { CheckpointResource, FrameBody, JobProgress, JobRequest } from '@unfold/contracts';
import type { Queue } from '@unfold/queue';
import type { Claim, Store } from '@unfold/store';
import {
  checkpointPath,
  newCheckpointId,
  recordCheckpoint,
  type WrittenCheckpoint,
  writePatiently,
} from './checkpoint-writer.ts';
import { type CheckpointEntry, dueIn, type Entry, type FrameEntry, takeFrames } from './journal-entries.ts';
import { FencedOff } from './outcome-of-error.ts';
import type { Persist } from './persist.ts';
import type { ProducedCheckpoint } from './thread-messages.ts';

export interface JournalOptions {
  store: Store;
  queue: Pick<Queue, 'announce'>;
  persist: Persist;
  claim: Claim;
  project: string;
  /** Sequence number of the last frame so far. */
  head: number;
  storage: { patienceMs: number; givesUp: () => boolean };
  /** After every append: what the table asks of the job at that moment. */
  onRequested: (requested: JobRequest | null) => void;
  /** So many of the thread's entries are in the log. */
  onWritten: (entries: number) => void;
  /** A checkpoint is recorded, or will never be. */
  onCheckpointSettled: () => void;
  /** The journal has ended by itself: fenced off, or a checkpoint that cannot be written. */
  onFailure: (error: unknown) => void;
}

/**
 * Writes what an attempt produces, in the order in which it was produced, behind the training's back. A checkpoint's row
 * never precedes an event that came before it, so that a run which goes on from it has no hole in its curve.
 */
export interface Journal {
  /** An entry of the training thread: counted in `onWritten`. */
  frame(body: FrameBody): void;
  progress(progress: JobProgress): void;
  /** Begins to write the file at once; the row follows in its turn. One at a time. */
  checkpoint(checkpoint: ProducedCheckpoint): void;
  log(level: 'info' | 'warning' | 'error', message: string): void;
  /** Other frames of the worker's own. */
  note(body: FrameBody): void;
  /** Asks the table what is requested, now; resolves when `onRequested` was called. */
  ask(): Promise<void>;
  /** Resolves when everything so far is written; rejects when the journal has failed. */
  drained(): Promise<void>;
  /**
   * Writes what is left and ends. With `discard` checkpoints that are not recorded yet are dropped.
   * Rejects like `drained`.
   */
  stop(discard?: 'discard'): Promise<void>;
  /** Resolves when no file of a dropped checkpoint is left. Call after the end, and before the process exits. */
  cleaned(): Promise<void>;
  /** The newest checkpoint that this attempt recorded. */
  latest(): CheckpointResource | null;
}

interface Waiter {
  resolve: () => void;
  reject: (error: unknown) => void;
}

export const openJournal = (options: JournalOptions): Journal => {
  const { store, queue, persist, claim, project } = options;
  const entries: Entry[] = [];
  const cleanups: Promise<unknown>[] = [];
  const askers: Waiter[] = [];
  const drainers: Waiter[] = [];
  let { head } = options;
  let latest: CheckpointResource | null = null;
  let lastAppendAt = performance.now();
  let failure: { error: unknown } | null = null;
  let stopping = false;
  let wake: () => void = () => {};

  const discardCheckpoints = (): void => {
    for (const entry of entries.filter((candidate) => candidate.kind === 'checkpoint')) {
      entry.dropped = true;
      cleanups.push(
        entry.file.then(
          ({ file }) => store.artifacts.remove(file.path),
          () => undefined,
        ),
      );
      options.onCheckpointSettled();
    }
    const kept = entries.filter((entry) => entry.kind === 'frame');
    entries.splice(0, entries.length, ...kept);
  };

  const fail = (error: unknown): void => {
    if (failure) return;
    failure = { error };
    discardCheckpoints();
    for (const waiter of [...askers.splice(0), ...drainers.splice(0)]) waiter.reject(error);
    options.onFailure(error);
    wake();
  };

  const pauseLeft = (): number =>
    dueIn(entries, performance.now(), lastAppendAt, {
      asked: askers.length > 0,
      ending: stopping,
      drain: drainers.length > 0,
    });

  const nextThing = (): Promise<void> => {
    const pause = pauseLeft();
    if (pause <= 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, pause);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  };

  /** Whether an append that got no answer was committed: nobody else writes this job's frames in bulk. */
  const wasCommitted = async (bodies: readonly FrameBody[]): Promise<boolean> => {
    if (bodies.length === 0) return false;
    const frames = await store.events.read(claim.job_id, { after: head, limit: bodies.length + 100 });
    const found = frames.map(({ seq: _seq, at: _at, job_id: _job, ...body }) => body);
    return found.some((_, start) => isDeepStrictEqual(found.slice(start, start + bodies.length), bodies));
  };

  const append = async (): Promise<void> => {
    const taken = takeFrames(entries, performance.now());
    const asking = askers.splice(0);
    const bodies = taken.flatMap((entry) => entry.body ?? []);
    const progress = taken.findLast((entry) => entry.progress !== null)?.progress ?? undefined;
    const result = await persist('events', async (uncertain) => {
      const committed = uncertain && (await wasCommitted(bodies));
      return store.events.append(claim, committed ? [] : bodies, progress);
    });
    lastAppendAt = performance.now();
    if (result === null) {
      const error = new FencedOff('Another attempt owns the job.');
      for (const asker of asking) asker.reject(error);
      return fail(error);
    }
    head = result.head;
    if (bodies.length > 0) void queue.announce({ job_id: claim.job_id, seq: head }).catch(() => undefined);
    options.onWritten(taken.filter((entry) => entry.counted).length);
    options.onRequested(result.requested);
    for (const asker of asking) asker.resolve();
  };

  const record = async (written: WrittenCheckpoint): Promise<void> => {
    const row = await recordCheckpoint(store, persist, { claim, project }, written);
    options.onCheckpointSettled();
    if (row === null) return fail(new FencedOff('Another attempt owns the job.'));
    latest = row;
    head += 1;
    void queue.announce({ job_id: claim.job_id, seq: head }).catch(() => undefined);
  };

  const pump = async (): Promise<void> => {
    while (!failure) {
      const [first] = entries;
      if (first?.kind === 'checkpoint' && first.written) {
        entries.shift();
        await record(first.written);
      } else if (pauseLeft() <= 0) {
        if (first === undefined && askers.length === 0 && stopping) return;
        await append();
      } else await nextThing();
      if (entries.length === 0) for (const drainer of drainers.splice(0)) drainer.resolve();
    }
  };

  const push = (entry: Entry): void => {
    if (failure) return;
    entries.push(entry);
    wake();
  };
  const addFrame = (part: Partial<FrameEntry>): void =>
    push({ kind: 'frame', since: performance.now(), body: null, progress: null, counted: false, ...part });
  const addLog: Journal['log'] = (level, message) => addFrame({ body: { type: 'log', level, message } });

  const addCheckpoint = ({ data, ...produced }: ProducedCheckpoint): void => {
    if (failure || stopping) return;
    const id = newCheckpointId();
    const onFull = (): void =>
      addLog('warning', `The disk is full: the checkpoint of step ${produced.step} waits for room.`);
    const givesUp = (): boolean => entry.dropped || options.storage.givesUp();
    const wait = { patienceMs: options.storage.patienceMs, givesUp, onFull };
    const file = writePatiently(store, checkpointPath(claim, produced.step, id), data, wait).then(
      (record) => ({
        id,
        produced,
        file: record,
      }),
    );
    const entry: CheckpointEntry = {
      kind: 'checkpoint',
      since: performance.now(),
      written: null,
      file,
      dropped: false,
    };
    push(entry);
    file.then(
      (written) => {
        entry.written = written;
        wake();
      },
      (error) => {
        if (!entry.dropped) fail(error);
      },
    );
  };

  const drained = (): Promise<void> =>
    new Promise((resolve, reject) => {
      if (failure) return reject(failure.error);
      drainers.push({ resolve, reject });
      wake();
    });

  const pumping = pump().catch(fail);

  return {
    frame: (body) => addFrame({ body, counted: true }),
    progress: (progress) => addFrame({ progress, counted: true }),
    checkpoint: addCheckpoint,
    log: addLog,
    note: (body) => addFrame({ body }),
    ask: () =>
      new Promise((resolve, reject) => {
        if (failure) return reject(failure.error);
        askers.push({ resolve, reject });
        wake();
      }),
    drained,
    stop: async (discard) => {
      if (discard) discardCheckpoints();
      stopping = true;
      wake();
      await pumping;
      if (failure) throw failure.error;
    },
    cleaned: async () => {
      await Promise.all(cleanups);
    },
    latest: () => latest,
  };
};
