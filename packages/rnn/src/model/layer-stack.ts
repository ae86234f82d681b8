import { randomPurposes, type SavedActivations, type Tensor } from '@unfold/kernels';
import type { GradientSet, Network } from './network.ts';
import { outputWidth } from './parameter-table.ts';
import type { RecurrentState } from './recurrent-state.ts';

/** Where the random masks of a training pass are drawn. */
export interface PassRandom {
  seed: number;
  step: number;
  /** int [N]: which sequence each row is; null: row n is sequence n. */
  sequences: Tensor | null;
}

export interface StackForward {
  /** What layer 0 reads: int [T,N] or real [T,N,C]. */
  input: Tensor;
  /** [T,N,G·H], joins layer 0; null: nothing. */
  injected: Tensor | null;
  /** int [N]; null: every sequence has T steps. */
  lengths: Tensor | null;
  /** int [T,N], the row that a reading from the end takes at each place, −1 in padding; null with one direction. */
  reversed: Tensor | null;
  /** Enters as the first state, leaves as the last one. */
  state: RecurrentState;
  /** t of the first step within its sequences. */
  firstStep: number;
  /** null: inference. */
  random: PassRandom | null;
}

export interface StackBackward {
  /** Of the top layer's output, [T,N,H·directions]; is overwritten on the way down. null: zeros. */
  dOutput: Tensor | null;
  /** Room for the same, where `dOutput` is null and there are layers below. */
  scratch: Tensor;
  /** What arrives at the last states; null, and null entries: zeros. */
  arriving: RecurrentState | null;
  /** Gradient of the first states; null: not wanted. May be `arriving`. */
  leaving: RecurrentState | null;
  /** [T,N,C] of layer 0's input; null: not wanted. */
  dInput: Tensor | null;
  dInjected: Tensor | null;
}

/** What a layer with two directions needs beside its output [T,N,2·H], by layer. */
interface BothWays {
  reversedInput: Tensor;
  /** [T,N,H]: forward, reverse in its own time, reverse in the sequence's. */
  outputs: [Tensor, Tensor, Tensor];
}

/**
 * The recurrent layers with what lies between them, forward and backward, over up to `steps` × `sequences`: all the room that they need is
 * theirs. Without gradients the layers write two outputs in turn, unless all are to be looked at.
 */
export class LayerStack {
  readonly #network: Network;
  readonly #gradients: GradientSet | null;
  readonly #outputs: Tensor[];
  /** Outputs after dropout; the output itself where there is none. */
  readonly #dropped: Tensor[];
  readonly #bothWays: BothWays[];
  readonly #saved: (SavedActivations | null)[];
  readonly #made: Tensor[] = [];
  /** Room for gradients where a sequence is read both ways: of outputs as `BothWays` has them, and of inputs by layer. */
  readonly #dOutputs: Tensor[];
  readonly #dInputs: [Tensor, Tensor][];
  #last: StackForward | null = null;

  /** @param watched whether `outputs` tells of every layer, which a pass with gradients always does */
  constructor(
    network: Network,
    gradients: GradientSet | null,
    steps: number,
    sequences: number,
    watched = false,
  ) {
    const { backend, model, layers } = network;
    const real = (width: number): Tensor => this.#keep(backend.createTensor([steps, sequences, width]));
    const top = outputWidth(model);
    this.#network = network;
    this.#gradients = gradients;
    const rooms = gradients || watched ? model.num_layers : Math.min(2, model.num_layers);
    this.#outputs = Array.from({ length: rooms }, () => real(top));
    const drops = gradients !== null && Math.max(model.dropout, model.variational_dropout) > 0;
    this.#dropped = this.#outputs.map((output, k) =>
      drops && k < model.num_layers - 1 ? real(top) : output,
    );
    const reads = (layer: (typeof layers)[number]): Tensor =>
      layer.input === 'tokens'
        ? this.#keep(backend.createTensor([steps, sequences], 'int'))
        : real(layer.inputSize);
    const H = model.hidden_size;
    this.#bothWays = model.bidirectional
      ? Array.from({ length: model.num_layers }, (_, k) => ({
          reversedInput: reads(layers[2 * k]!),
          outputs: [real(H), real(H), real(H)],
        }))
      : [];
    const turns = model.bidirectional && gradients !== null;
    this.#dOutputs = turns ? [real(H), real(H), real(H)] : [];
    this.#dInputs = turns
      ? Array.from({ length: model.num_layers }, (_, k) => {
          const { input, inputSize } = layers[2 * k]!;
          const width = input === 'tokens' ? 0 : inputSize;
          return [real(width), real(width)];
        })
      : [];
    this.#saved = layers.map((layer) => (gradients ? backend.createSaved(layer, steps, sequences) : null));
  }

  #keep(tensor: Tensor): Tensor {
    this.#made.push(tensor);
    return tensor;
  }

  /** The top layer's output [T,N,H·directions], valid until the next call. */
  forward(call: StackForward): Tensor {
    const { backend, model } = this.#network;
    const steps = call.input.shape[0]!;
    this.#last = call;
    let below = call.input;
    for (let k = 0; k < model.num_layers; k++) {
      const room = k % this.#outputs.length;
      const output = backend.view(this.#outputs[room]!, 0, steps);
      if (model.bidirectional) this.#readBothWays(k, below, output, call);
      else this.#read(k, below, k === 0 ? call.injected : null, output, call);
      below = output;
      if (this.#dropped[room] !== this.#outputs[room] && call.random) {
        below = backend.view(this.#dropped[room]!, 0, steps);
        this.#dropout(output, below, k);
      }
    }
    return below;
  }

  /** The first steps of what each layer put out in the last pass, bottom first, [T,N,H·directions], before dropout. */
  outputs(steps: number): Tensor[] {
    return this.#outputs.map((output) => this.#network.backend.view(output, 0, steps));
  }

  /** @param place of the layer and direction */
  #read(place: number, input: Tensor, injected: Tensor | null, output: Tensor, call: StackForward): void {
    const { backend, layers, parameters, statistics } = this.#network;
    const { state, lengths, firstStep, random } = call;
    const h = state.h[place]!;
    const c = state.c[place]!;
    backend.recurrentForward({
      layer: layers[place]!,
      parameters: parameters.recurrent[place]!,
      input,
      injected,
      statistics: statistics[place]!,
      training: random && { ...random, layer: place },
      // Nothing else counts from the start of a sequence.
      firstStep: random || statistics[place] ? firstStep : 0,
      h0: h,
      c0: c,
      lengths,
      output,
      hT: h,
      cT: c,
      saved: this.#saved[place]!,
    });
  }

  #readBothWays(k: number, input: Tensor, output: Tensor, call: StackForward): void {
    const { backend } = this.#network;
    const steps = input.shape[0]!;
    const { reversedInput, outputs } = this.#bothWays[k]!;
    const [forward, reverse, turned] = outputs.map((tensor) => backend.view(tensor, 0, steps));
    const turnedInput = backend.view(reversedInput, 0, steps);
    // Tokens in padding become the token 0, which is not read.
    backend.gatherRows({ source: input, indices: call.reversed!, output: turnedInput });
    this.#read(2 * k, input, null, forward!, call);
    this.#read(2 * k + 1, turnedInput, null, reverse!, call);
    backend.gatherRows({ source: reverse!, indices: call.reversed!, output: turned! });
    backend.concatenate({ inputs: [forward!, turned!], output });
  }

  /** The same mask for activations and for their gradients. */
  #dropout(input: Tensor, output: Tensor, layer: number): void {
    const { backend, model } = this.#network;
    const { random, firstStep } = this.#last!;
    backend.dropout({
      ...random!,
      input,
      output,
      rate: Math.max(model.dropout, model.variational_dropout),
      purpose: randomPurposes.dropout,
      layer,
      firstStep,
      ...(model.variational_dropout > 0 && { variational: true }),
    });
  }

  /**
   * Gradients of the last forward pass.
   * @param lowest the lowest layer that they must reach
   */
  backward(call: StackBackward, lowest: number): void {
    const { model } = this.#network;
    let above = call.dOutput;
    for (let k = model.num_layers - 1; k >= lowest; k--) {
      if (above && this.#dropped[k] !== this.#outputs[k]) this.#dropout(above, above, k);
      const dInput = k === 0 ? call.dInput : k > lowest ? (above ?? call.scratch) : null;
      if (model.bidirectional) this.#readBothWaysBackward(k, above, dInput, call);
      else this.#readBackward(k, above, dInput, call);
      above = dInput;
    }
  }

  #readBackward(
    place: number,
    dOutput: Tensor | null,
    dInput: Tensor | null,
    { arriving, leaving, dInjected }: StackBackward,
  ): void {
    const { backend, layers, parameters } = this.#network;
    const directions = layers.length / this.#network.model.num_layers;
    backend.recurrentBackward({
      layer: layers[place]!,
      parameters: parameters.recurrent[place]!,
      gradients: this.#gradients!.recurrent[place]!,
      saved: this.#saved[place]!,
      dOutput,
      dhT: arriving?.h[place] ?? null,
      dcT: arriving?.c[place] ?? null,
      dInput,
      dInjected: place < directions ? dInjected : null,
      dh0: leaving?.h[place] ?? null,
      dc0: leaving?.c[place] ?? null,
    });
  }

  #readBothWaysBackward(k: number, dOutput: Tensor | null, dInput: Tensor | null, call: StackBackward): void {
    const { backend } = this.#network;
    const { reversed, input } = this.#last!;
    const steps = input.shape[0]!;
    const [dForward, dReverse, dTurned] = this.#dOutputs.map((tensor) => backend.view(tensor, 0, steps));
    if (dOutput) {
      backend.split({ input: dOutput, outputs: [dForward!, dTurned!] });
      backend.gatherRows({ source: dTurned!, indices: reversed!, output: dReverse! });
    }
    const [own, back] = this.#dInputs[k]!.map((tensor) => backend.view(tensor, 0, steps));
    this.#readBackward(2 * k, dOutput && dForward!, dInput, call);
    this.#readBackward(2 * k + 1, dOutput && dReverse!, dInput && own!, call);
    if (!dInput) return;
    backend.gatherRows({ source: own!, indices: reversed!, output: back! });
    backend.add({ source: back!, target: dInput });
  }

  release(): void {
    const { backend } = this.#network;
    backend.release(...this.#made, ...this.#saved.filter((saved) => saved !== null));
  }
}
