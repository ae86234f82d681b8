import type { Tensor } from '@unfold/kernels';
import type { Network } from './network.ts';
import type { RecurrentState } from './recurrent-state.ts';
import { outputSteps } from './training-pass.ts';

/** Forward passes without gradients over up to `steps` × `sequences` tokens: evaluation, scoring, reading a prompt. */
export class ForwardPass {
  readonly #network: Network;
  readonly #embedded: Tensor | null;
  /** Layers write these in turn, each reading the other. */
  readonly #outputs: [Tensor, Tensor];
  readonly #logits: Tensor;
  readonly #outputSteps: number;

  constructor(network: Network, steps: number, sequences: number) {
    const { backend, model, vocabularySize } = network;
    const hidden = (): Tensor => backend.createTensor([steps, sequences, model.hidden_size]);
    this.#network = network;
    this.#embedded =
      model.embedding_size === null ? null : backend.createTensor([steps, sequences, model.embedding_size]);
    this.#outputs = [hidden(), hidden()];
    this.#outputSteps = outputSteps(steps, sequences, vocabularySize);
    this.#logits = backend.createTensor([this.#outputSteps, sequences, vocabularySize]);
  }

  /**
   * Runs the recurrent layers; `state` flows on.
   * @param inputs int [T,N]
   * @returns the top layer's outputs, [T,N,H], valid until the next call
   */
  hidden(inputs: Tensor, state: RecurrentState): Tensor {
    const { backend, layers, parameters } = this.#network;
    const steps = inputs.shape[0]!;
    let below = inputs;
    if (this.#embedded !== null) {
      below = backend.view(this.#embedded, 0, steps);
      backend.embeddingForward({ table: parameters.encoder!, tokens: inputs, output: below });
    }
    layers.forEach((layer, k) => {
      const output = backend.view(this.#outputs[k % 2]!, 0, steps);
      const h = state.h[k]!;
      const c = state.c[k]!;
      backend.recurrentForward({
        layer,
        parameters: parameters.recurrent[k]!,
        input: below,
        h0: h,
        c0: c,
        output,
        hT: h,
        cT: c,
        saved: null,
      });
      below = output;
    });
    return below;
  }

  /** What the network expects after `hidden`'s outputs [T,N,H], before the softmax: [T,N,V] into `output`. */
  logits(hidden: Tensor, output: Tensor): void {
    const { backend, parameters } = this.#network;
    backend.denseForward({ input: hidden, ...parameters.decoder, output });
  }

  /**
   * Losses of targets under the outputs of `hidden`.
   * @param into `loss`, double [1], and `correct`, double [1], are added to (the loss divided by `count`); `losses`, real [T,N],
   * gets −log p of each target, or null
   */
  losses(
    hidden: Tensor,
    targets: Tensor,
    count: number,
    into: { loss: Tensor; correct: Tensor | null; losses: Tensor | null },
  ): void {
    const { backend } = this.#network;
    const steps = hidden.shape[0]!;
    for (let first = 0; first < steps; first += this.#outputSteps) {
      const size = Math.min(this.#outputSteps, steps - first);
      const logits = backend.view(this.#logits, 0, size);
      this.logits(backend.view(hidden, first, size), logits);
      backend.softmaxCrossEntropy({
        logits,
        targets: backend.view(targets, first, size),
        count,
        loss: into.loss,
        correct: into.correct,
        accumulate: true,
        losses: into.losses && backend.view(into.losses, first, size),
        dLogits: null,
      });
    }
  }

  release(): void {
    const tensors = [this.#embedded, ...this.#outputs, this.#logits].filter((tensor) => tensor !== null);
    this.#network.backend.release(...tensors);
  }
}
