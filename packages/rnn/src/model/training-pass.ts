import { randomPurposes, type SavedActivations, type Tensor } from '@unfold/kernels';
import type { GradientSet, Network } from './network.ts';
import type { RecurrentState } from './recurrent-state.ts';

/** Most logits that are alive at once: the output layer works through a window in pieces of whole steps. */
const logitsAtOnce = 1 << 22;

/** Steps of the output layer's pieces. */
export const outputSteps = (steps: number, sequences: number, vocabularySize: number): number =>
  Math.max(1, Math.min(steps, Math.floor(logitsAtOnce / (sequences * vocabularySize))));

/** One optimizer step's data and how it is to be run. */
export interface WindowPass {
  /** int [T,N]. */
  inputs: Tensor;
  targets: Tensor;
  /** T. */
  steps: number;
  /** Gradients are cut every so many steps, while the state flows on. */
  cutEvery: number;
  /** Runs through the pass: enters as the initial state, leaves as the final one. */
  state: RecurrentState;
  dropout: { rate: number; seed: number; step: number };
}

/**
 * Forward and backward pass over windows of up to `steps` × `sequences` tokens, with all the room that they need: nothing is allocated
 * from window to window.
 */
export class TrainingPass {
  /** double [1]: mean loss in nats per token. */
  readonly loss: Tensor;
  /** double [1]: targets that got the highest probability. */
  readonly correct: Tensor;
  readonly gradients: GradientSet;
  #network: Network;
  #sequences: number;
  #embedded: Tensor | null;
  #outputs: Tensor[];
  /** Outputs after dropout; the output itself where there is none. */
  #dropped: Tensor[];
  #saved: SavedActivations[];
  #logits: Tensor;
  #outputSteps: number;
  /** Gradient on its way down, [T,N,H]. */
  #dHidden: Tensor;
  #dEmbedded: Tensor | null;
  /** The lowest layer that gradients must reach; all below is frozen. */
  #lowest: number;

  /** @param longest steps between two cuts */
  constructor(network: Network, gradients: GradientSet, longest: number, sequences: number) {
    const { backend, model, layers, vocabularySize } = network;
    const hidden = (): Tensor => backend.createTensor([longest, sequences, model.hidden_size]);
    const embedded = (): Tensor | null =>
      model.embedding_size === null ? null : backend.createTensor([longest, sequences, model.embedding_size]);
    this.#network = network;
    this.gradients = gradients;
    this.#sequences = sequences;
    this.loss = backend.createTensor([1], 'double');
    this.correct = backend.createTensor([1], 'double');
    this.#embedded = embedded();
    this.#dEmbedded = gradients.encoder === null ? null : embedded();
    const trains = gradients.recurrent.map((layer) => Object.values(layer).some(Boolean));
    this.#lowest = this.#dEmbedded ? 0 : trains.includes(true) ? trains.indexOf(true) : layers.length;
    this.#outputs = layers.map(hidden);
    this.#dropped = this.#outputs.map((output, k) =>
      model.dropout > 0 && k < layers.length - 1 ? hidden() : output,
    );
    this.#saved = layers.map((layer) => backend.createSaved(layer, longest, sequences));
    this.#outputSteps = outputSteps(longest, sequences, vocabularySize);
    this.#logits = backend.createTensor([this.#outputSteps, sequences, vocabularySize]);
    this.#dHidden = hidden();
  }

  /** Zeroes the gradients, then computes loss and gradients of the whole window. */
  run(pass: WindowPass): void {
    const { backend } = this.#network;
    backend.zero(this.loss, this.correct, ...this.gradients.trained);
    for (let first = 0; first < pass.steps; first += pass.cutEvery) {
      const steps = Math.min(pass.cutEvery, pass.steps - first);
      const inputs = backend.view(pass.inputs, first, steps);
      this.#forward(inputs, steps, first, pass);
      this.#outputLayer(backend.view(pass.targets, first, steps), steps, pass.steps * this.#sequences);
      this.#backward(inputs, steps, first, pass);
    }
  }

  #forward(inputs: Tensor, steps: number, first: number, { state, dropout }: WindowPass): void {
    const { backend, layers, parameters } = this.#network;
    let below = inputs;
    if (this.#embedded !== null) {
      below = backend.view(this.#embedded, 0, steps);
      backend.embeddingForward({ table: parameters.encoder!, tokens: inputs, output: below });
    }
    layers.forEach((layer, k) => {
      const output = backend.view(this.#outputs[k]!, 0, steps);
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
        saved: this.#saved[k]!,
      });
      below = output;
      if (this.#dropped[k] !== this.#outputs[k]) {
        below = backend.view(this.#dropped[k]!, 0, steps);
        this.#dropout(output, below, k, first, dropout);
      }
    });
  }

  /** The same mask for activations and for their gradients. */
  #dropout(
    input: Tensor,
    output: Tensor,
    layer: number,
    firstStep: number,
    dropout: WindowPass['dropout'],
  ): void {
    this.#network.backend.dropout({
      ...dropout,
      input,
      output,
      purpose: randomPurposes.dropout,
      layer,
      sequences: null,
      firstStep,
    });
  }

  /** Decoder and loss, forward and backward; leaves the gradient of the top layer's output. */
  #outputLayer(targets: Tensor, steps: number, count: number): void {
    const { backend, parameters } = this.#network;
    const { weight, bias } = parameters.decoder;
    const top = this.#outputs.at(-1)!;
    for (let first = 0; first < steps; first += this.#outputSteps) {
      const size = Math.min(this.#outputSteps, steps - first);
      const input = backend.view(top, first, size);
      const logits = backend.view(this.#logits, 0, size);
      backend.denseForward({ input, weight, bias, output: logits });
      backend.softmaxCrossEntropy({
        logits,
        targets: backend.view(targets, first, size),
        count,
        loss: this.loss,
        correct: this.correct,
        accumulate: true,
        losses: null,
        dLogits: logits,
      });
      backend.denseBackward({
        input,
        weight,
        dOutput: logits,
        dInput: this.#lowest < this.#saved.length ? backend.view(this.#dHidden, first, size) : null,
        dWeight: this.gradients.decoder.weight,
        dBias: this.gradients.decoder.bias,
      });
    }
  }

  #backward(inputs: Tensor, steps: number, first: number, { dropout }: WindowPass): void {
    const { backend, layers, parameters } = this.#network;
    const dHidden = backend.view(this.#dHidden, 0, steps);
    const dEmbedded = this.#dEmbedded && backend.view(this.#dEmbedded, 0, steps);
    for (let k = layers.length - 1; k >= this.#lowest; k--) {
      if (this.#dropped[k] !== this.#outputs[k]) this.#dropout(dHidden, dHidden, k, first, dropout);
      backend.recurrentBackward({
        layer: layers[k]!,
        parameters: parameters.recurrent[k]!,
        gradients: this.gradients.recurrent[k]!,
        saved: this.#saved[k]!,
        dOutput: dHidden,
        dhT: null,
        dcT: null,
        dInput: k === 0 ? dEmbedded : k > this.#lowest ? dHidden : null,
        dh0: null,
        dc0: null,
      });
    }
    if (dEmbedded !== null)
      backend.embeddingBackward({
        tokens: inputs,
        dOutput: dEmbedded,
        dTable: this.gradients.encoder!,
      });
  }

  release(): void {
    const { backend } = this.#network;
    const dropped = this.#dropped.filter((tensor, k) => tensor !== this.#outputs[k]);
    const embedded = [this.#embedded, this.#dEmbedded].filter((tensor) => tensor !== null);
    backend.release(
      this.loss,
      this.correct,
      this.#logits,
      this.#dHidden,
      ...embedded,
      ...this.#outputs,
      ...dropped,
      ...this.#saved,
    );
  }
}
