import type { Backend } from '@unfold/kernels';
import { LanguageModel } from './language-model.ts';
import { Predictor } from './predictor.ts';
import { inspectWeights, type WeightLimits } from './weights/inspect.ts';

/**
 * Loads an export or a checkpoint of any task as what it is: a model that writes text, or one that answers for a sequence.
 * @param stepped told after each step of a writer how many streams advanced together
 * @throws UnfoldError `invalid_weights`
 */
export const loadModel = (
  weights: Uint8Array,
  backend: Backend,
  limits: WeightLimits = {},
  stepped?: (rows: number) => void,
): Promise<LanguageModel | Predictor> => {
  const { task } = inspectWeights(weights, { headerBytes: weights.length, ...limits }).spec;
  return task === 'language_model' || task === 'conditional_generation'
    ? LanguageModel.load(weights, backend, limits, stepped)
    : Predictor.load(weights, backend, limits);
};
