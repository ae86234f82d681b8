import { UnfoldError } from '@unfold/contracts/values';

/** So often a run goes back before it fails. */
export const mostRollbacks = 3;

/** What the scheduled learning rate is multiplied by after so many rollbacks. */
export const rollbackFactor = (rollbacks: number): number => 0.5 ** rollbacks;

export const isDivergence = (error: unknown): error is UnfoldError =>
  error instanceof UnfoldError && error.code === 'diverged';

/** @throws UnfoldError `diverged`, naming the step and what is no number */
export const expectFinite = (value: number, what: string, step: number): void => {
  if (!Number.isFinite(value))
    throw new UnfoldError('diverged', `Training diverged at step ${step}: the ${what} is ${value}.`);
};

/** How a run ends that diverged once more often than it may go back. */
export const finalDivergence = ({ message }: UnfoldError, lastGoodStep: number): UnfoldError =>
  new UnfoldError(
    'diverged',
    `${message} The run went back ${mostRollbacks} times, each time to half the learning rate, and does so no more. The checkpoint of step ${lastGoodStep} is the last good one; a lower learning rate or a tighter clip may help.`,
  );
