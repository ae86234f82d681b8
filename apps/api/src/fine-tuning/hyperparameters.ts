import type { FineTuningHyperparameters, TrainingOptions } from '@unfold/contracts';

/** An epoch should have so many steps. */
const stepsPerEpoch = 16;
const fewestSteps = 300;
const mostSteps = 10_000;
const usualEpochs = 3;
const mostEpochs = 25;

export interface ChosenHyperparameters {
  n_epochs: number;
  batch_size: number;
  learning_rate_multiplier: number;
}

/** The starting model's batch size, halved until an epoch has enough steps. */
const chooseBatchSize = (sequences: number, start: number): number => {
  let size = start;
  while (size > 1 && sequences / size < stepsPerEpoch) size = Math.floor(size / 2);
  return size;
};

/** Three epochs; more where they would be too few steps, fewer where they would be too many. */
const chooseEpochs = (sequences: number, batchSize: number): number => {
  const steps = Math.ceil(sequences / batchSize);
  const few = Math.ceil(fewestSteps / steps);
  const many = Math.max(1, Math.floor(mostSteps / steps));
  return Math.min(mostEpochs, Math.max(few, Math.min(usualEpochs, many)));
};

/**
 * A smaller batch is noisier, so it takes smaller steps: by the ratio itself for SGD (Goyal et al. 2017), by its root
 * for optimizers that divide by the gradient's size (Malladi et al. 2022). Three significant digits.
 */
const chooseMultiplier = (batchSize: number, { batch_size, optimizer }: TrainingOptions): number => {
  const ratio = batchSize / batch_size;
  return Number((optimizer.type === 'sgd' ? ratio : Math.sqrt(ratio)).toPrecision(3));
};

/**
 * Fills in what was left to `auto`.
 * @param sequences records, or windows of an endless text, to train on
 * @param start how the starting model was trained
 */
export const chooseHyperparameters = (
  { n_epochs, batch_size, learning_rate_multiplier }: FineTuningHyperparameters,
  sequences: number,
  start: TrainingOptions,
): ChosenHyperparameters => {
  const batchSize =
    typeof batch_size === 'number' ? batch_size : chooseBatchSize(sequences, start.batch_size);
  return {
    batch_size: batchSize,
    n_epochs: typeof n_epochs === 'number' ? n_epochs : chooseEpochs(sequences, batchSize),
    learning_rate_multiplier:
      typeof learning_rate_multiplier === 'number'
        ? learning_rate_multiplier
        : chooseMultiplier(batchSize, start),
  };
};
