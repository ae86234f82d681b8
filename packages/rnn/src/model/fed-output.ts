import type { Tensor } from '@unfold/kernels';
import type { Network } from './network.ts';

/**
 * What a network is fed of its own outputs o where no symbol is chosen: ŷ = softmax(o) of tokens, o itself of numbers, σ(o) of zeros and
 * ones; forward and backward, for `sequences` rows.
 */
export class FedOutput {
  readonly #network: Network;
  /** Of zeros and ones: 1 everywhere, and room, [1,N,F]. */
  readonly #ones: Tensor | null;
  readonly #room: Tensor | null;

  constructor(network: Network, sequences: number) {
    const { backend, shape } = network;
    const squashes = shape.loss === 'bernoulli';
    this.#network = network;
    const create = (): Tensor | null =>
      squashes ? backend.createTensor([1, sequences, shape.output.size]) : null;
    this.#ones = create();
    this.#room = create();
    if (this.#ones) backend.upload(this.#ones, new Array(sequences * shape.output.size).fill(1));
  }

  /** @param outputs and @param fed [1,N,F] */
  forward(outputs: Tensor, fed: Tensor): void {
    const { backend, shape } = this.#network;
    if (shape.loss === 'softmax') backend.softmax({ logits: outputs, output: fed });
    else backend.copy({ source: outputs, target: fed });
    if (this.#ones === null) return;
    // σ(o) = (1 + tanh(o / 2)) / 2.
    backend.scale({ tensor: fed, factor: 0.5 });
    backend.tanh({ input: fed, output: fed });
    backend.add({ source: this.#ones, target: fed });
    backend.scale({ tensor: fed, factor: 0.5 });
  }

  /**
   * @param fed what `forward` gave
   * @param dFed is overwritten
   * @param dOutputs accumulates
   */
  backward(fed: Tensor, dFed: Tensor, dOutputs: Tensor): void {
    const { backend, shape } = this.#network;
    if (shape.loss === 'softmax') {
      backend.softmaxBackward({ output: fed, dOutput: dFed, dLogits: dOutputs, accumulate: true });
      return;
    }
    if (this.#ones) {
      // The same by the tanh, 2σ(o) − 1.
      const room = this.#room!;
      backend.copy({ source: fed, target: room });
      backend.scale({ tensor: room, factor: 2 });
      backend.add({ source: this.#ones, target: room, factor: -1 });
      backend.tanhBackward({ output: room, dOutput: dFed, dInput: dFed });
      backend.scale({ tensor: dFed, factor: 0.25 });
    }
    backend.add({ source: dFed, target: dOutputs });
  }

  release(): void {
    const tensors = [this.#ones, this.#room];
    this.#network.backend.release(...tensors.filter((tensor) => tensor !== null));
  }
}
