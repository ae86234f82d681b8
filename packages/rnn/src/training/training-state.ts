import type { JobSpec } from '@unfold/contracts';
import type { DataSource } from '../data/prepared-file.ts';
import type { EarlyStoppingState } from './early-stopping.ts';
import type { PlateauState } from './schedule.ts';

/** Sums since the last metric. */
export interface MetricSums {
  loss: number;
  correct: number;
  length_loss: number;
  /** Of each step's targets and of its decisions on the end of a sequence: how many there were, as a share of an average batch's. */
  weight: number;
  length_weight: number;
  targets: number;
  gradient_norm: number;
  steps: number;
}

/** A validation loss and the step at which it was measured. */
export interface Evaluated {
  step: number;
  loss: number;
}

/**
 * Everything of a run that is not a tensor. Random numbers are functions of the seed and of `step`, so that these counters are all of
 * their state.
 */
export interface TrainingState {
  /** Optimizer steps done. */
  step: number;
  /** Epochs done. */
  epoch: number;
  /** The next window of the current epoch. */
  window: number;
  /** Tokens trained on. */
  tokens: number;
  /** The step is done, but its evaluation, sample and metric were interrupted. */
  pending: boolean;
  /** Of the last step. */
  learning_rate: number;
  plateau: PlateauState;
  early_stopping: EarlyStoppingState;
  stopped_early: boolean;
  best: Evaluated | null;
  last_evaluation: Evaluated | null;
  sums: MetricSums;
  /** How often the run went back after it had diverged. Each time halves the learning rate. */
  rollbacks: number;
  /** Training time, summed over attempts. */
  seconds: number;
}

export const emptySums = (): MetricSums => ({
  loss: 0,
  correct: 0,
  length_loss: 0,
  weight: 0,
  length_weight: 0,
  targets: 0,
  gradient_norm: 0,
  steps: 0,
});

export const initialState = (spec: JobSpec): TrainingState => ({
  step: 0,
  epoch: 0,
  window: 0,
  tokens: 0,
  pending: false,
  learning_rate: 0,
  plateau: { best: null, bad: 0, rate: spec.training.optimizer.learning_rate },
  early_stopping: { best: null, bad: 0 },
  stopped_early: false,
  best: null,
  last_evaluation: null,
  sums: emptySums(),
  rollbacks: 0,
  seconds: 0,
});

/** What a checkpoint's metadata `training` holds. */
export interface CheckpointRecord {
  version: 1;
  state: TrainingState;
  source: DataSource;
  /** `BackendDescription.engine` of the backend that wrote it. */
  engine: string;
  /**
   * The state of the rollback point, whose tensors the file holds under `rollback.`; absent where the checkpoint itself is one. A
   * checkpoint that the clock or a request asked for carries the point with it, since the run must roll back to the same step
   * whether it was interrupted or not.
   */
  rollback_point?: TrainingState;
}
