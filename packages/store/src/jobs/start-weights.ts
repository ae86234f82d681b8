import { UnfoldError } from '@unfold/contracts';
import type { ArtifactStore } from '../artifact-store.ts';
import { notFound } from '../pages.ts';
import type { LocatedModel } from '../repositories.ts';

/** Where a job keeps the weights that it starts from. They are a copy, so that the model may be deleted and a checkpoint pruned. */
export const startWeightsPath = (jobId: string): string => `jobs/${jobId}/start.safetensors`;

/** @throws UnfoldError `not_found` if the model was deleted meanwhile, `storage_full` */
export const copyStartWeights = async (
  artifacts: ArtifactStore,
  jobId: string,
  model: LocatedModel,
): Promise<void> => {
  try {
    await artifacts.write(startWeightsPath(jobId), await artifacts.stream(model.path));
  } catch (error) {
    if (error instanceof UnfoldError && error.code === 'data_missing')
      throw notFound('model', model.id, 'start_from.model');
    throw error;
  }
};
