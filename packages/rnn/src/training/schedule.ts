import type { ScheduleOptions } from '@unfold/contracts';

/** What the `plateau` schedule remembers. */
export interface PlateauState {
  best: number | null;
  /** Evaluations since the best one. */
  bad: number;
  /** The rate as lowered so far. */
  rate: number;
}

/**
 * The learning rate of a step, counted from 1.
 *
 * Warm-up rises linearly and reaches the full rate at step `warmup_steps`; the schedule's own steps i = 0, 1, … count from there. step: rate ·
 * factor^⌊i / every⌋; exponential: rate · factor^i; cosine: minimum + (rate − minimum) (1 + cos(π i / n)) / 2, n being the steps of the
 * whole run after warm-up, as torch.optim.lr_scheduler.CosineAnnealingLR. A run that is resumed with more steps follows the longer cosine
 * from there on.
 */
export const learningRateAt = (
  schedule: ScheduleOptions,
  rate: number,
  step: number,
  totalSteps: number,
  plateau: PlateauState,
): number => {
  const full = schedule.type === 'plateau' ? plateau.rate : rate;
  const warmup = schedule.warmup_steps;
  if (step <= warmup) return (full * step) / warmup;
  const i = step - warmup - 1;
  switch (schedule.type) {
    case 'constant':
    case 'plateau':
      return full;
    case 'step':
      return full * schedule.factor ** Math.floor(i / schedule.every);
    case 'exponential':
      return full * schedule.factor ** i;
    case 'cosine': {
      const share = Math.min(1, i / Math.max(1, totalSteps - warmup));
      return schedule.minimum + ((full - schedule.minimum) * (1 + Math.cos(Math.PI * share))) / 2;
    }
  }
};

/** Tells the plateau schedule of an evaluation; other schedules do not mind. */
export const afterEvaluation = (
  schedule: ScheduleOptions,
  state: PlateauState,
  validationLoss: number,
): PlateauState => {
  if (schedule.type !== 'plateau') return state;
  if (state.best === null || validationLoss < state.best) return { ...state, best: validationLoss, bad: 0 };
  if (state.bad < schedule.patience) return { ...state, bad: state.bad + 1 };
  const lowered = Math.max(state.rate * schedule.factor, Math.min(schedule.minimum, state.rate));
  return { ...state, bad: 0, rate: lowered };
};
