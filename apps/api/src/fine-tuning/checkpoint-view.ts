import type { CheckpointResource, FineTuningCheckpoint } from '@unfold/contracts';
import { renameMetrics } from './event-view.ts';
import { unixSeconds } from './job-view.ts';

const names = [
  'train_loss',
  'train_mean_token_accuracy',
  'valid_loss',
  'valid_mean_token_accuracy',
  'full_valid_loss',
  'full_valid_mean_token_accuracy',
] as const;

/**
 * A checkpoint as OpenAI's clients know it.
 * @param values what the curve said when it was recorded
 */
export const toFineTuningCheckpoint = (
  checkpoint: CheckpointResource,
  values: Record<string, number | null>,
): FineTuningCheckpoint => {
  const renamed = renameMetrics(values);
  const known = names.flatMap((name) => (renamed[name] === undefined ? [] : [[name, renamed[name]]]));
  return {
    id: checkpoint.id,
    object: 'fine_tuning.job.checkpoint',
    created_at: unixSeconds(checkpoint.created_at),
    fine_tuning_job_id: checkpoint.job_id,
    fine_tuned_model_checkpoint: checkpoint.id,
    step_number: checkpoint.step,
    metrics: { step: checkpoint.step, ...Object.fromEntries(known) },
  };
};
