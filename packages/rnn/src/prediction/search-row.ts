import type { StateValues } from '../model/recurrent-state.ts';
import type { ReadRow } from '../rows/chunk-reader.ts';
import type { RowCall } from '../rows/row-call.ts';
import type { AnswerRequest } from './answer-row.ts';
import type { Heard, PredictionRow } from './prediction-work.ts';

/** An answer so far. */
interface Followed {
  /** Which of the step before it goes on from. */
  parent: number;
  token: number;
  /** Summed log-probability in nats. */
  score: number;
  state: StateValues | null;
}

/** The `width` best continuations; of equal ones that of the lower row, then of the lower token. */
const best = (followed: readonly Followed[], heard: readonly Heard[], width: number): Followed[] => {
  const found: Followed[] = [];
  followed.forEach(({ score: before }, parent) => {
    const { outputs, state } = heard[parent]!;
    for (let token = 0; token < outputs.length; token++) {
      const score = before + outputs[token]!;
      if (found.length === width && !(score > found[width - 1]!.score)) continue;
      let place = found.length;
      while (place > 0 && score > found[place - 1]!.score) place--;
      found.splice(place, 0, { parent, token, score, state });
      if (found.length > width) found.pop();
    }
  });
  return found;
};

/**
 * The likeliest answers to an input of a network that is fed the tokens it answers, as far as a beam of `width` finds them: by their summed
 * log-probabilities, which need no length exponent since all answers are as long as the input. A width of 1 is greedy.
 */
export class SearchRow implements PredictionRow {
  readonly owner: RowCall;
  readonly place: number | null;
  readonly #request: AnswerRequest;
  readonly #width: number;
  readonly #answer: (tokens: number[]) => void;
  #followed: Followed[] = [{ parent: 0, token: -1, score: 0, state: null }];
  /** Of each step, by answer that was followed: its token, and which one it goes on from. */
  readonly #steps: { tokens: Int32Array; parents: Int32Array }[] = [];

  constructor(request: AnswerRequest, width: number, answer: (tokens: number[]) => void) {
    this.owner = request.owner;
    this.place = request.place;
    this.#request = request;
    this.#width = width;
    this.#answer = answer;
  }

  rows(): ReadRow[] {
    const { inputs, steps } = this.#request;
    const position = this.#steps.length;
    const ahead = inputs.subarray((position * inputs.length) / steps);
    return this.#followed.map(({ state, token }) => ({
      state,
      position,
      ahead: 1,
      inputs: ahead,
      feedback: Int32Array.of(token),
      countdown: null,
      context: null,
    }));
  }

  hear(heard: readonly Heard[]): boolean {
    this.#followed = best(this.#followed, heard, this.#width);
    this.#steps.push({
      tokens: Int32Array.from(this.#followed, ({ token }) => token),
      parents: Int32Array.from(this.#followed, ({ parent }) => parent),
    });
    if (this.#steps.length < this.#request.steps) return false;
    const found = new Array<number>(this.#steps.length);
    for (let t = found.length - 1, row = 0; t >= 0; t--) {
      const { tokens, parents } = this.#steps[t]!;
      found[t] = tokens[row]!;
      row = parents[row]!;
    }
    this.#answer(found);
    return true;
  }
}
