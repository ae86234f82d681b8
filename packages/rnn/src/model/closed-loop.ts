import type { Tensor } from '@unfold/kernels';
import { ForwardPass } from './forward-pass.ts';
import type { HeadSums, HeadTargets } from './head.ts';
import { type Network, upload } from './network.ts';
import { createState, type RecurrentState, releaseState } from './recurrent-state.ts';

/** Outputs as the inputs of the next step: numbers as they are, logits of a Bernoulli variable as its probability. */
export const outputsAsInputs = (
  outputs: ArrayLike<number>,
  { shape }: Pick<Network, 'shape'>,
): Float32Array =>
  Float32Array.from(outputs, shape.loss === 'bernoulli' ? (x) => 1 / (1 + Math.exp(-x)) : (x) => x);

/** A network of vectors whose outputs are its next inputs, step by step: N sequences side by side. */
export class ClosedLoop {
  readonly #network: Network;
  readonly #pass: ForwardPass;
  readonly #state: RecurrentState;
  readonly #inputs: Tensor;
  /** The first steps' feedback; null: nothing is fed back. */
  readonly #feedback: Tensor | null;
  readonly #outputs: Tensor;
  /** Of the time steps read last. */
  #hidden: Tensor | null = null;
  /** Time steps read since the beginning. */
  #steps = 0;

  /** @param steps most time steps that are read at once */
  constructor(network: Network, steps: number, sequences: number) {
    const { backend, shape } = network;
    this.#network = network;
    this.#pass = new ForwardPass(network, steps, sequences);
    this.#state = createState(network, sequences);
    this.#inputs = backend.createTensor([steps, sequences, shape.input.size]);
    this.#feedback = shape.feedback && backend.createTensor(this.#inputs.shape);
    this.#outputs = backend.createTensor([1, sequences, shape.output.size]);
  }

  begin(): void {
    this.#pass.begin(this.#state);
    this.#steps = 0;
  }

  /** Reads time steps [T,N,C], after those that were read before. */
  read(values: Float32Array): void {
    const { backend } = this.#network;
    const [, N, C] = this.#inputs.shape as [number, number, number];
    const steps = values.length / (N * C);
    const inputs = backend.view(this.#inputs, 0, steps);
    upload(backend, inputs, values);
    this.#hidden = this.#pass.hidden(
      { inputs, feedback: this.#feedback && this.#fed(inputs), firstStep: this.#steps },
      this.#state,
    );
    this.#steps += steps;
  }

  /** What was put out before is what is read, the known values, then the network's own; before the first step nothing was. */
  #fed(inputs: Tensor): Tensor {
    if (this.#steps > 0) return inputs;
    const { backend } = this.#network;
    const fed = backend.view(this.#feedback!, 0, inputs.shape[0]!);
    backend.copy({ source: inputs, target: fed });
    backend.zero(backend.view(fed, 0, 1));
    return fed;
  }

  /** What comes after the last step that was read, [N,C], as the network would be fed it. */
  async next(): Promise<Float32Array> {
    const { backend } = this.#network;
    const hidden = this.#hidden!;
    this.#pass.logits(backend.view(hidden, hidden.shape[0]! - 1, 1), this.#outputs);
    return outputsAsInputs(await backend.download(this.#outputs), this.#network);
  }

  /** Adds up losses of what came after each of the time steps read last. */
  losses(targets: HeadTargets, sums: HeadSums): void {
    this.#pass.losses(this.#hidden!, targets, sums);
  }

  release(): void {
    const { backend } = this.#network;
    this.#pass.release();
    releaseState(backend, this.#state);
    backend.release(this.#inputs, this.#outputs);
    if (this.#feedback) backend.release(this.#feedback);
  }
}
