import type { Tensor } from '@unfold/kernels';
import { windowSteps } from '../data/batch-plan.ts';
import type { BatchReader } from '../data/batch-reader.ts';
import { ForwardPass } from '../model/forward-pass.ts';
import type { Network } from '../model/network.ts';
import { createState, type RecurrentState, releaseState, resetState } from '../model/recurrent-state.ts';

/**
 * The validation loss: mean −log p in nats per token over the whole validation part, teacher forced, without dropout. The
 * state starts at zero and is carried from window to window if training carries it.
 */
export class Evaluation {
  readonly #network: Network;
  readonly #reader: BatchReader;
  readonly #stateful: boolean;
  readonly #pass: ForwardPass;
  readonly #state: RecurrentState;
  readonly #inputs: Tensor;
  readonly #targets: Tensor;
  readonly #hostInputs: Int32Array;
  readonly #hostTargets: Int32Array;
  readonly #loss: Tensor;

  constructor(network: Network, reader: BatchReader, stateful: boolean) {
    const { backend } = network;
    const { lanes } = reader.plan;
    const steps = windowSteps(reader.plan, 0);
    this.#network = network;
    this.#reader = reader;
    this.#stateful = stateful;
    this.#pass = new ForwardPass(network, steps, lanes);
    this.#state = createState(network, lanes);
    this.#inputs = backend.createTensor([steps, lanes], 'int');
    this.#targets = backend.createTensor([steps, lanes], 'int');
    this.#hostInputs = new Int32Array(steps * lanes);
    this.#hostTargets = new Int32Array(steps * lanes);
    this.#loss = backend.createTensor([1], 'double');
  }

  /** @param interrupted asked between windows; the answer is null once it says true */
  async run(interrupted: () => Promise<boolean>): Promise<number | null> {
    const { backend } = this.#network;
    const { plan } = this.#reader;
    resetState(backend, this.#state);
    backend.zero(this.#loss);
    for (let window = 0; window < plan.windows; window++) {
      if (await interrupted()) return null;
      if (!this.#stateful) resetState(backend, this.#state);
      const steps = this.#reader.load(window, this.#hostInputs, this.#hostTargets);
      backend.upload(this.#inputs, this.#hostInputs);
      backend.upload(this.#targets, this.#hostTargets);
      const hidden = this.#pass.hidden(backend.view(this.#inputs, 0, steps), this.#state);
      this.#pass.losses(hidden, backend.view(this.#targets, 0, steps), plan.lanes * plan.laneSteps, {
        loss: this.#loss,
        correct: null,
        losses: null,
      });
    }
    return (await backend.download(this.#loss))[0]!;
  }

  release(): void {
    const { backend } = this.#network;
    this.#pass.release();
    releaseState(backend, this.#state);
    backend.release(this.#inputs, this.#targets, this.#loss);
    this.#reader.close();
  }
}
