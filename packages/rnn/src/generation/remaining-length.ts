import { countdownInputs } from '../model/parameter-table.ts';
import { sampleToken } from './sampler.ts';

/** The remaining lengths that a draw chooses from. */
export interface RemainingRange {
  /** What is known to come, since it was given: 0 without a prompt. */
  atLeast: number;
  /** What the longest sequence leaves: `max_length` − t after token t (from 1). */
  atMost: number;
}

/** The logits of the remaining lengths in the range, −∞ for others: no text grows beyond the longest, none is shorter than its prompt. */
const within = (logits: ArrayLike<number>, { atLeast, atMost }: RemainingRange): number[] =>
  Array.from(logits, (logit, r) => (r < atLeast || r > atMost ? Number.NEGATIVE_INFINITY : logit));

/** Draws a remaining length, with its log-probability in nats among those of the range. */
export const drawRemaining = (
  logits: ArrayLike<number>,
  range: RemainingRange,
  temperature: number,
  uniform: number,
): { remaining: number; log_probability: number } => {
  const { token, log_probability } = sampleToken(
    within(logits, range),
    { temperature, top_k: null, top_p: 1 },
    uniform,
    null,
  );
  return { remaining: token, log_probability };
};

/** log P(r) in nats of the remaining length `remaining`, as `drawRemaining` draws it at temperature 1 without a prompt. */
export const logRemaining = (logits: ArrayLike<number>, remaining: number, atMost: number): number => {
  let max = Number.NEGATIVE_INFINITY;
  for (let r = 0; r <= atMost; r++) max = Math.max(max, logits[r]!);
  let sum = 0;
  for (let r = 0; r <= atMost; r++) sum += Math.exp(logits[r]! - max);
  return logits[remaining]! - max - Math.log(sum);
};

/**
 * What the first steps of a sequence of known length read beside its tokens, [T,2]: r_{t−1} as a share of the longest, and 1 where it is known,
 * from the second step on.
 * @param length tokens of the sequence
 */
export const countdownOf = (steps: number, length: number, longest: number): Float32Array =>
  Float32Array.from({ length: steps * countdownInputs }, (_, k) => {
    const t = Math.floor(k / countdownInputs);
    if (t === 0) return 0;
    return k % countdownInputs === 0 ? (length - t) / longest : 1;
  });
