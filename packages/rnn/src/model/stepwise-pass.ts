import type { Tensor } from '@unfold/kernels';
import { FedOutput } from './fed-output.ts';
import { ForwardPass } from './forward-pass.ts';
import type { HeadSums } from './head.ts';
import type { PassRandom } from './layer-stack.ts';
import type { Network } from './network.ts';
import { inputWithin, type PassBatch, type PassInput, targetsWithin } from './pass-batch.ts';
import { createState, type RecurrentState, releaseState, stateTensors } from './recurrent-state.ts';

/**
 * A batch step after step, without gradients, for networks that are fed what is only known after the step before: the caller writes it into
 * the batch between two steps, which have the bits of a pass over all of them.
 */
export class StepwisePass {
  /** Of the last step, before the softmax, [1,N,V]. */
  readonly outputs: Tensor;
  readonly state: RecurrentState;
  readonly #network: Network;
  readonly #pass: ForwardPass;
  readonly #fedOutput: FedOutput;

  constructor(network: Network, sequences: number) {
    const { backend, shape } = network;
    this.#network = network;
    this.#pass = new ForwardPass(network, 1, sequences);
    this.#fedOutput = new FedOutput(network, sequences);
    this.state = createState(network, sequences);
    this.outputs = backend.createTensor([1, sequences, shape.output.size]);
  }

  /** Sets the states before the first step: those of the batch's context, or copies of `state`. */
  begin({ context }: Pick<PassInput, 'context'>, state: RecurrentState | null = null): void {
    if (state === null) {
      this.#pass.begin(this.state, context);
      return;
    }
    const sources = stateTensors(state);
    stateTensors(this.state).forEach((target, k) => {
      this.#network.backend.copy({ source: sources[k]!, target });
    });
  }

  /** Runs step t of a batch. @param random draws the masks of training */
  step(batch: PassInput, t: number, random: PassRandom | null = null): void {
    const part = inputWithin(this.#network.backend, batch, t, 1);
    const hidden = this.#pass.hidden({ ...part, firstStep: t, ...(random && { random }) }, this.state);
    this.#pass.logits(hidden, this.outputs);
  }

  /** Adds up the losses of the last step, t. */
  losses(batch: PassBatch, t: number, sums: HeadSums): void {
    this.#pass.lossesOf(this.outputs, targetsWithin(this.#network.backend, batch, t, 1), sums);
  }

  /** Writes what the last step answered into `fed`, [1,N,F]: see `FedOutput`. */
  feed(fed: Tensor): void {
    this.#fedOutput.forward(this.outputs, fed);
  }

  release(): void {
    const { backend } = this.#network;
    this.#pass.release();
    this.#fedOutput.release();
    releaseState(backend, this.state);
    backend.release(this.outputs);
  }
}
