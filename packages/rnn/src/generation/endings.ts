import type { Network } from '../model/network.ts';
import { drawRemaining, type RemainingRange } from './remaining-length.ts';

/** What an ending has to remember; null: nothing. */
export interface EndingState {
  /** Draws so far: the place of the next one in its stream of random numbers. */
  draws: number;
  /** Of a countdown: tokens whose remaining length was decided, and the last of these lengths. */
  time: number;
  remaining: number | null;
}

export interface Decision {
  ends: boolean;
  /** In nats. */
  log_probability: number;
}

/** What decides where a sequence ends, other than a token. `outputs` are those of the head that ends sequences, after the last token that was read. */
export interface Ending {
  readonly state: EndingState;
  /** What the next token is read with: the remaining length as a share of the longest; null: not known. */
  readonly remaining: number | null;
  /** Told of a token that follows without being drawn. @param ahead tokens that are still known, this one included */
  known(outputs: ArrayLike<number>, ahead: number): void;
  /** Asked before a token is drawn: whether the sequence has ended. */
  before(outputs: ArrayLike<number>): Decision;
  /** Asked once a token was drawn: whether it is the last one. */
  after(outputs: ArrayLike<number>): Decision;
}

const goesOn: Decision = { ends: false, log_probability: 0 };
const always = (): Decision => goesOn;

const firstState: EndingState = { draws: 0, time: 0, remaining: null };

const tokenEnding: Ending = {
  state: firstState,
  remaining: null,
  known() {},
  before: always,
  after: always,
};

/** log σ(x). */
export const logSigmoid = (x: number): number => Math.min(0, x) - Math.log1p(Math.exp(-Math.abs(x)));

/** @param uniform the draw of a place in the stream of random numbers */
type Uniform = (place: number) => number;

/** A coin before each token. */
const bernoulliEnding = (uniform: Uniform, temperature: number, draws: number): Ending => ({
  get state() {
    return { ...firstState, draws };
  },
  remaining: null,
  known() {},
  before(outputs) {
    const x = outputs[0]!;
    const draw = uniform(draws++);
    const q = 1 / (1 + Math.exp(-x));
    const ends = temperature === 0 ? q > 0.5 : draw < q;
    return { ends, log_probability: logSigmoid(ends ? x : -x) };
  },
  after: always,
});

/** What may remain at the next token: a prompt is not cut short, and no sequence grows beyond the longest, however often the rest is drawn anew. */
export const remainingRange = (ahead: number, time: number, longest: number): RemainingRange => {
  const atLeast = Math.min(ahead, longest);
  return { atLeast, atMost: Math.max(atLeast, longest - time) };
};

/** The remaining length, drawn at each step, or once and then counted down. */
const countdownEnding = (
  { max_length, renew }: Network['model'],
  uniform: Uniform,
  temperature: number,
  { draws, time, remaining }: EndingState,
): Ending => {
  const longest = max_length!;
  const advance = (outputs: ArrayLike<number>, ahead: number): number => {
    time++;
    if (!renew && remaining !== null) {
      remaining = Math.max(ahead, remaining - 1);
      return 0;
    }
    const drawn = drawRemaining(outputs, remainingRange(ahead, time, longest), temperature, uniform(draws++));
    remaining = drawn.remaining;
    return drawn.log_probability;
  };
  return {
    get state() {
      return { draws, time, remaining };
    },
    get remaining() {
      return remaining === null ? null : remaining / longest;
    },
    known(outputs, ahead) {
      advance(outputs, ahead);
    },
    before: always,
    after(outputs) {
      const log_probability = advance(outputs, 0);
      return { ends: remaining === 0, log_probability };
    },
  };
};

/** log softmax(logits)_k. */
export const logSoftmaxAt = (logits: ArrayLike<number>, k: number): number => {
  let max = Number.NEGATIVE_INFINITY;
  for (let v = 0; v < logits.length; v++) max = Math.max(max, logits[v]!);
  let sum = 0;
  for (let v = 0; v < logits.length; v++) sum += Math.exp(logits[v]! - max);
  return logits[k]! - max - Math.log(sum);
};

/**
 * @param uniform draws that are only used up by decisions
 * @param state goes on from there; null: from the beginning
 */
export const endingOf = (
  { model }: Network,
  uniform: Uniform,
  temperature: number,
  state: EndingState | null,
): Ending => {
  switch (model.length) {
    case 'eos':
      return tokenEnding;
    case 'bernoulli':
      return bernoulliEnding(uniform, temperature, state?.draws ?? 0);
    case 'countdown':
      return countdownEnding(model, uniform, temperature, state ?? firstState);
  }
};
