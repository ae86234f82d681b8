import { outputsAsInputs } from '../model/closed-loop.ts';
import type { Network } from '../model/network.ts';
import { realArray, type StateValues } from '../model/recurrent-state.ts';
import type { ReadRow } from '../rows/chunk-reader.ts';
import type { RowCall } from '../rows/row-call.ts';
import type { Heard, PredictionRow } from './prediction-work.ts';

export interface AnswerRequest {
  owner: RowCall;
  place: number | null;
  /** As the network reads it, int [T] or real [T,C]. */
  inputs: Int32Array | Float32Array;
  /** T. */
  steps: number;
}

/** An input of which every output is known once it was read: a classification's, or a labeling's, which may be fed the numbers that it says. */
export class AnswerRow implements PredictionRow {
  readonly owner: RowCall;
  readonly place: number | null;
  readonly #network: Network;
  readonly #request: AnswerRequest;
  readonly #answer: (outputs: StateValues) => void;
  #read = 0;
  #state: StateValues | null = null;
  /** [V], or [T,V]. */
  readonly #outputs: StateValues;
  /** What was said of the step before; null: nothing is fed back. */
  #fed: StateValues | null;

  /** @param answer told all outputs, [V] or [T,V] */
  constructor(network: Network, request: AnswerRequest, answer: (outputs: StateValues) => void) {
    const { shape, backend } = network;
    const Real = realArray(backend);
    this.owner = request.owner;
    this.place = request.place;
    this.#network = network;
    this.#request = request;
    this.#answer = answer;
    this.#outputs = new Real((shape.outputAt === 'end' ? 1 : request.steps) * shape.output.size);
    this.#fed = shape.feedback && new Real(shape.feedback.size);
  }

  rows(): ReadRow[] {
    const { inputs, steps } = this.#request;
    return [
      {
        state: this.#state,
        ...(this.#state && { memory: this.#state }),
        position: this.#read,
        ahead: this.#fed ? 1 : steps - this.#read,
        inputs: inputs.subarray((this.#read * inputs.length) / steps),
        feedback: this.#fed,
        countdown: null,
        context: null,
      },
    ];
  }

  hear([heard]: readonly Heard[]): boolean {
    const { shape } = this.#network;
    const { steps, state, outputs } = heard!;
    this.#outputs.set(outputs, shape.outputAt === 'end' ? 0 : this.#read * shape.output.size);
    this.#read += steps;
    this.#state = state;
    if (this.#fed) this.#fed = shape.loss === 'bernoulli' ? outputsAsInputs(outputs, this.#network) : outputs;
    if (this.#read < this.#request.steps) return false;
    this.#answer(this.#outputs);
    return true;
  }
}
