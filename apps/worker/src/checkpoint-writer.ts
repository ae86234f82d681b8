import { setTimeout as delay } from 'node:timers/promises';
import { type CheckpointResource, UnfoldError } from '@unfold/contracts';
import { type ArtifactRecord, type Claim, newId, type Store } from '@unfold/store';
import { toUnfoldError } from './outcome-of-error.ts';
import type { Persist } from './persist.ts';
import type { ProducedCheckpoint } from './thread-messages.ts';

const firstDelayMs = 250;
const longestDelayMs = 5000;

export interface StorageWait {
  /** How long a write is repeated while the disk is full. */
  patienceMs: number;
  /** Asked before each repetition: a stopping worker does not wait. */
  givesUp: () => boolean;
  /** Called once, when a write first finds the disk full. */
  onFull: () => void;
}

/**
 * Writes an artifact, again and again while the disk is full. The store leaves nothing half-written behind a failure.
 * @throws {UnfoldError} `storage_full` when the patience is over
 */
export const writePatiently = async (
  store: Store,
  path: string,
  bytes: Uint8Array,
  wait: StorageWait,
): Promise<ArtifactRecord> => {
  const deadline = performance.now() + wait.patienceMs;
  for (let tries = 0; ; tries += 1) {
    try {
      return await store.artifacts.write(path, bytes);
    } catch (error) {
      if (toUnfoldError(error).code !== 'storage_full') throw error;
      if (tries === 0) wait.onFull();
      const pause = Math.min(longestDelayMs, firstDelayMs * 2 ** Math.min(tries, 10));
      if (wait.givesUp() || performance.now() + pause > deadline)
        throw new UnfoldError(
          'storage_full',
          `The disk is full: no room for ${bytes.byteLength} bytes. Free some and resume the job, which goes on from its newest checkpoint.`,
          { cause: error },
        );
      await delay(pause);
    }
  }
};

/** A checkpoint whose file is written and whose row is not. */
export interface WrittenCheckpoint {
  id: string;
  produced: Omit<ProducedCheckpoint, 'data'>;
  file: ArtifactRecord;
}

/** The attempt and the checkpoint's id are in the path, so that no two writers ever meet. */
export const checkpointPath = (claim: Claim, step: number, id: string): string =>
  `jobs/${claim.job_id}/${claim.attempt}/${step}-${id.slice('ckpt-'.length)}.safetensors`;

export const newCheckpointId = (): string => newId('ckpt');

const alreadyRecorded = async (
  store: Store,
  project: string,
  id: string,
): Promise<CheckpointResource | null> => {
  try {
    return await store.checkpoints.get(project, id);
  } catch (error) {
    if (toUnfoldError(error).code === 'not_found') return null;
    throw error;
  }
};

/** Makes a written file a checkpoint of the job. Null if the attempt was fenced off; the file is removed then. */
export const recordCheckpoint = async (
  store: Store,
  persist: Persist,
  owner: { claim: Claim; project: string },
  { id, produced, file }: WrittenCheckpoint,
): Promise<CheckpointResource | null> => {
  const { reason, ...described } = produced;
  const row = await persist('checkpoint', async (uncertain) => {
    const committed = uncertain ? await alreadyRecorded(store, owner.project, id) : null;
    const last = reason === 'final';
    return committed ?? store.checkpoints.record(owner.claim, { ...file, ...described, id, last });
  });
  if (row === null) await store.artifacts.remove(file.path);
  return row;
};
