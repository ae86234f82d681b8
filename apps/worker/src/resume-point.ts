import type { CheckpointResource } from '@unfold/contracts';
import type { Claimed, Store } from '@unfold/store';
import type { Journal } from './journal.ts';
import { toUnfoldError } from './outcome-of-error.ts';

const unreadable = (error: unknown): string | null => {
  const { code } = toUnfoldError(error);
  if (code === 'artifact_corrupt') return 'does not have the content that was written';
  return code === 'data_missing' ? 'is gone' : null;
};

const olderThan = (newest: { id: string; step: number }) => (candidate: CheckpointResource) =>
  candidate.id !== newest.id && candidate.step <= newest.step;

/**
 * The newest checkpoint whose file is what was written, or null to begin anew. The claim announced a restart from the
 * newest of all; if that one cannot be read, a log frame says so and a second `restart` takes the curve further back.
 */
export const readResumePoint = async (
  store: Store,
  { claim, project, resume }: Claimed,
  journal: Journal,
): Promise<Uint8Array | null> => {
  if (resume === null) return null;
  const restart = (step: number): void =>
    journal.note({ type: 'restart', attempt: claim.attempt, from_step: step, reason: 'resumed' });
  try {
    return await store.artifacts.read(resume.path, resume);
  } catch (error) {
    const reason = unreadable(error);
    if (reason === null) throw error;
    journal.log('warning', `The checkpoint of step ${resume.step} ${reason}: going on from an older one.`);
  }
  const { data } = await store.checkpoints.list(project, claim.job_id, { limit: 100 });
  for (const { id, step } of data.filter(olderThan(resume)).sort((a, b) => b.step - a.step)) {
    try {
      const file = await store.models.locate(project, id);
      const bytes = await store.artifacts.read(file.path, file);
      restart(step);
      return bytes;
    } catch (error) {
      const reason = unreadable(error);
      if (reason === null) throw error;
      journal.log('warning', `The checkpoint of step ${step} ${reason} too.`);
    }
  }
  journal.log('warning', 'No checkpoint can be read: beginning anew.');
  restart(0);
  return null;
};
