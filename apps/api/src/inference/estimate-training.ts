import type { EstimateResource, JobSpec } from '@unfold/contracts';
import { type DataSummary, estimate } from '@unfold/rnn';

/**
 * What a job would need, by arithmetic alone: nothing is read and nothing allocated.
 * @param data what a check found in records; null for an endless text
 */
export const estimateTraining = (
  spec: JobSpec,
  file: { characters: number | null; bytes: number },
  data: DataSummary | null,
): EstimateResource => {
  const needs = estimate(spec, { characters: file.characters ?? file.bytes, bytes: file.bytes }, data);
  return {
    object: 'training.estimate',
    parameters: needs.parameters,
    memory_bytes: needs.memory_bytes,
    checkpoint_bytes: needs.checkpoint_bytes,
    steps_per_epoch: needs.steps_per_epoch,
    total_steps: needs.total_steps,
    vocabulary_size: needs.vocabulary_size,
  };
};
