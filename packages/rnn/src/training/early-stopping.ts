import type { TrainingOptions } from '@unfold/contracts';

export interface EarlyStoppingState {
  best: number | null;
  /** Evaluations since the best one. */
  bad: number;
}

/** Tells early stopping of an evaluation. An improvement is a loss lower than the best by more than `min_delta`. */
export const observeEvaluation = (
  options: TrainingOptions['early_stopping'],
  state: EarlyStoppingState,
  validationLoss: number,
): { state: EarlyStoppingState; stop: boolean } => {
  if (options === null) return { state, stop: false };
  if (state.best === null || validationLoss < state.best - options.min_delta)
    return { state: { best: validationLoss, bad: 0 }, stop: false };
  const bad = state.bad + 1;
  return { state: { ...state, bad }, stop: bad >= options.patience };
};
