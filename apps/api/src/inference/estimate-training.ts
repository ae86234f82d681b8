import type { EstimateResource, JobSpec } from '@unfold/contracts';
import {
  type DataSummary,
  estimate,
  fewestTokens,
  type TrainingNeeds,
  type VocabularyCount,
} from '@unfold/rnn/host';
import type { MeasuredSpeed } from '@unfold/store';

export { fewestTokens, type TrainingNeeds };

/**
 * What a job would need, by arithmetic alone: nothing is read and nothing allocated.
 * @param data what a check found in records; null for an endless text
 * @param counted the vocabulary, if that was counted
 */
export const estimateTraining = (
  spec: JobSpec,
  file: { characters: number | null; bytes: number },
  data: DataSummary | null,
  counted: VocabularyCount | null = null,
): TrainingNeeds =>
  estimate(spec, { characters: file.characters ?? file.bytes, bytes: file.bytes, counted }, data);

/** Beyond this factor in size a network's speed says little about another's. */
const widestLikeness = 8;

const distance = (a: number, b: number): number => Math.abs(Math.log(a / b));

/**
 * How long the closest of earlier jobs makes a job like it; the speed of training is about inverse to the number of parameters.
 * @param speeds the one that is preferred among equally close ones first
 */
export const estimateTime = (
  needs: TrainingNeeds,
  { training }: JobSpec,
  speeds: readonly MeasuredSpeed[],
): Pick<EstimateResource, 'seconds' | 'measured_on'> => {
  const near = speeds
    .map((speed) => ({
      speed,
      parameters: distance(speed.parameters, needs.parameters),
      batch: distance(speed.batch_size, training.batch_size),
    }))
    .filter(({ parameters, batch }) => Math.max(parameters, batch) <= Math.log(widestLikeness))
    .sort((a, b) => a.parameters + a.batch - b.parameters - b.batch)[0]?.speed;
  if (near === undefined) return { seconds: null, measured_on: null };
  const { job_id, engine, device, tokens_per_second } = near;
  return {
    seconds: (needs.tokens * needs.parameters) / (near.parameters * tokens_per_second),
    measured_on: { job_id, engine, device, tokens_per_second },
  };
};
