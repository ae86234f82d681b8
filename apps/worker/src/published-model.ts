import type { CheckpointResource } from '@unfold/contracts';
import { UnfoldError } from '@unfold/contracts';
import { type Claimed, newId, type Outcome, type Store } from '@unfold/store';
import { writePatiently } from './checkpoint-writer.ts';
import { exportCheckpoint } from './export-checkpoint.ts';
import type { Journal } from './journal.ts';
import type { ExportedWeights } from './thread-messages.ts';
import { exportInThread } from './training-host.ts';

/** A checkpoint up to this size is exported within milliseconds, where a thread of its own would take half a second to start. */
const smallCheckpointBytes = 2 ** 20;

export interface PublishOptions {
  store: Store;
  claimed: Claimed;
  journal: Journal;
  signal: AbortSignal;
  storagePatienceMs: number;
  stopping: () => boolean;
}

/** With early stopping the best checkpoint of the whole run, else the state at the end of training. */
const chosenCheckpoint = async ({ store, claimed, journal }: PublishOptions): Promise<CheckpointResource> => {
  const latest = journal.latest();
  if (claimed.spec.training.early_stopping !== null) {
    const { data } = await store.checkpoints.list(claimed.project, claimed.claim.job_id, { limit: 100 });
    const best = data.filter((checkpoint) => checkpoint.best).sort((a, b) => b.step - a.step);
    if (best[0]) return best[0];
  }
  if (latest) return latest;
  throw new UnfoldError('internal', 'Training ended without a checkpoint.');
};

const exported = async (checkpoint: Uint8Array, signal: AbortSignal): Promise<ExportedWeights> =>
  checkpoint.byteLength <= smallCheckpointBytes
    ? exportCheckpoint(checkpoint)
    : exportInThread(checkpoint, signal);

/** Writes the weights that a finished training publishes; the model's row is made when the attempt finishes. */
export const publishedModel = async (options: PublishOptions): Promise<Outcome> => {
  const { store, claimed, journal, signal } = options;
  const { claim, project } = claimed;
  const checkpoint = await chosenCheckpoint(options);
  const file = await store.models.locate(project, checkpoint.id);
  const { weights, ...shape } = await exported(await store.artifacts.read(file.path, file), signal);
  const path = `jobs/${claim.job_id}/${claim.attempt}/weights-${newId('model').slice('model-'.length)}.safetensors`;
  const written = await writePatiently(store, path, weights, {
    patienceMs: options.storagePatienceMs,
    givesUp: () => options.stopping() || signal.aborted,
    onFull: () => journal.log('warning', 'The disk is full: the finished model waits for room.'),
  });
  if (signal.aborted) {
    await store.artifacts.remove(path);
    signal.throwIfAborted();
  }
  return { type: 'succeeded', checkpoint_id: checkpoint.id, ...shape, weights: written };
};
