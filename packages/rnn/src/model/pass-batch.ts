import type { Backend, Tensor } from '@unfold/kernels';
import type { HeadTargets } from './head.ts';
import type { Sources } from './injection.ts';
import { lengthsWithin } from './sequence-order.ts';

/** Sequences side by side as a pass reads them, on the backend. */
export interface PassInput extends Sources {
  /** int [T,N] or real [T,N,C]. */
  inputs: Tensor;
  /** T. */
  steps: number;
  /** [N], on the host; null: every sequence has T steps. */
  lengths: Int32Array | null;
}

/** The same with what is to be learned. */
export interface PassBatch extends PassInput, HeadTargets {
  /** The targets [N] on the host, where there is one output a sequence; else null. */
  labels: Int32Array | null;
  /** Targets of the head that ends sequences, as the shape of its loss asks for; null: there is none. */
  ending: HeadTargets | null;
}

/** Steps first … first + steps − 1 of what a head is held against. */
export const targetsWithin = (
  backend: Backend,
  { targets, mask, count }: HeadTargets,
  first: number,
  steps: number,
): HeadTargets => ({
  targets: backend.view(targets, first, steps),
  mask: mask && backend.view(mask, first, steps),
  count,
});

/** Steps first … first + steps − 1 of what a pass reads. */
export const inputWithin = (
  backend: Backend,
  { inputs, feedback, context, countdown, lengths }: PassInput,
  first: number,
  steps: number,
): PassInput => ({
  steps,
  inputs: backend.view(inputs, first, steps),
  lengths: lengths && lengthsWithin(lengths, first, steps),
  feedback: feedback && backend.view(feedback, first, steps),
  context,
  countdown: countdown && backend.view(countdown, first, steps),
});
