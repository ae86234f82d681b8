import type { Vectors } from '../data/records/data-record.ts';
import { denormalize, normalizeInto } from '../data/records/normalization.ts';
import type { VectorEncoding } from '../data/records/record-encoding.ts';
import { outputsAsInputs } from '../model/closed-loop.ts';
import type { Network } from '../model/network.ts';
import type { StateValues } from '../model/recurrent-state.ts';
import { refuseInput } from '../prediction-input.ts';
import { chunkSteps, type ReadRow } from '../rows/chunk-reader.ts';
import type { RowCall } from '../rows/row-call.ts';
import type { Heard, PredictionRow } from './prediction-work.ts';

export interface ForecastRequest {
  owner: RowCall;
  place: number | null;
  encoding: VectorEncoding;
  /** The series so far, in the units of the data. */
  history: Vectors;
  /** Vectors that are asked for. */
  steps: number;
}

const expectBinary = ({ values, width }: Vectors): void => {
  const odd = values.findIndex((number) => number < 0 || number > 1);
  if (odd >= 0)
    refuseInput(
      'vectors of zeros and ones, or of probabilities,',
      `${values[odd]} at input[${Math.floor(odd / width)}][${odd % width}]`,
    );
};

/**
 * What comes after a history, in closed loop: each vector is the input of the next. Of binary vectors they are probabilities, and fed back as
 * such.
 */
export class ForecastRow implements PredictionRow {
  readonly owner: RowCall;
  readonly place: number | null;
  readonly #network: Network;
  readonly #request: ForecastRequest;
  readonly #answer: (values: number[][]) => void;
  /** What is read next and was not read yet, [T,C]: the history's rest, then what was said last. */
  #ahead: Float32Array;
  #position = 0;
  #state: StateValues | null = null;
  readonly #values: number[][] = [];

  /**
   * @param answer told the vectors, in the units of the data
   * @throws UnfoldError `invalid_value`
   */
  constructor(network: Network, request: ForecastRequest, answer: (values: number[][]) => void) {
    const { history, encoding } = request;
    if (network.shape.loss === 'bernoulli') expectBinary(history);
    this.owner = request.owner;
    this.place = request.place;
    this.#network = network;
    this.#request = request;
    this.#answer = answer;
    this.#ahead = new Float32Array(history.values.length);
    normalizeInto(history.values, encoding.normalization, this.#ahead);
  }

  rows(): ReadRow[] {
    const { width } = this.#request.encoding;
    const ahead = Math.min(this.#ahead.length / width, chunkSteps(this.#network));
    const inputs = this.#ahead.subarray(0, ahead * width);
    return [
      {
        state: this.#state,
        ...(this.#state && { memory: this.#state }),
        position: this.#position,
        ahead,
        inputs,
        // What was put out before is what is read; before the first step nothing was.
        feedback:
          this.#network.shape.feedback && (this.#position > 0 ? inputs : inputs.slice().fill(0, 0, width)),
        countdown: null,
        context: null,
      },
    ];
  }

  hear([heard]: readonly Heard[]): boolean {
    const { encoding, steps } = this.#request;
    this.#position += heard!.steps;
    this.#state = heard!.state;
    this.#ahead = this.#ahead.subarray(heard!.steps * encoding.width);
    if (this.#ahead.length > 0) return false;
    const next = outputsAsInputs(heard!.outputs.subarray(-encoding.width), this.#network);
    // As large as single precision allows, inputs overflow in their products.
    if (!next.every(Number.isFinite))
      refuseInput('numbers that the network can compute with', 'some that lead to no finite answer');
    this.#values.push(denormalize(next, encoding.normalization));
    if (this.#values.length === steps) {
      this.#answer(this.#values);
      return true;
    }
    this.#ahead = next;
    return false;
  }
}
