import { UnfoldError } from '@unfold/contracts/values';

/**
 * How a text of n tokens is laid out: `lanes` contiguous stretches side by side, each read in windows of `sequenceLength`
 * steps. Every step has a token as input and the next one as target.
 */
export interface BatchPlan {
  /** Position of the first token in the token file. */
  first: number;
  lanes: number;
  /** Steps of a lane, all windows together; also the distance between the lanes' first tokens. */
  laneSteps: number;
  sequenceLength: number;
  /** Windows of a lane. Only the last may be shorter than `sequenceLength`. */
  windows: number;
}

/** Steps of window w. */
export const windowSteps = (plan: BatchPlan, window: number): number =>
  Math.min(plan.sequenceLength, plan.laneSteps - window * plan.sequenceLength);

/**
 * The layout of the training part. All windows are whole; the steps that remain at the end of each lane, fewer than a window, are left out.
 * With fewer windows than `batchSize` there are as many lanes as windows.
 * @throws UnfoldError `text_too_short` below one window
 */
export const planTraining = (tokens: number, batchSize: number, sequenceLength: number): BatchPlan => {
  if (tokens < sequenceLength + 1)
    throw new UnfoldError(
      'text_too_short',
      `The training part of the text needs at least ${sequenceLength + 1} tokens (training.sequence_length ${sequenceLength} and a target), but it has ${tokens}.`,
      { param: 'file' },
    );
  const lanes = Math.min(batchSize, Math.floor((tokens - 1) / sequenceLength));
  const windows = Math.floor(Math.floor((tokens - 1) / lanes) / sequenceLength);
  return { first: 0, lanes, laneSteps: Math.floor((tokens - 1) / lanes), sequenceLength, windows };
};

type ValidationParam = 'training.validation_fraction' | 'validation_file';

/** @throws UnfoldError `text_too_short` below two tokens, one to read and one to predict */
export const requireValidationTokens = (tokens: number, param: ValidationParam): void => {
  if (tokens < 2)
    throw new UnfoldError(
      'text_too_short',
      `${param}: expected at least 2 tokens to validate on, but the validation part of the text has ${tokens}.`,
      { param },
    );
};

/**
 * The layout of the validation part, behind the training part. The last window may be shorter, so that fewer steps than lanes are left out.
 * @throws UnfoldError `text_too_short` below two tokens
 */
export const planValidation = (
  first: number,
  tokens: number,
  batchSize: number,
  sequenceLength: number,
  param: ValidationParam,
): BatchPlan => {
  requireValidationTokens(tokens, param);
  const lanes = Math.max(1, Math.min(batchSize, Math.floor((tokens - 1) / sequenceLength)));
  const laneSteps = Math.floor((tokens - 1) / lanes);
  return { first, lanes, laneSteps, sequenceLength, windows: Math.ceil(laneSteps / sequenceLength) };
};
