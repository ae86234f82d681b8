import type { Tensor } from '@unfold/kernels';
import { FirstState } from './first-state.ts';
import { type Head, type HeadSums, type HeadTargets, lengthHead, outputHead } from './head.ts';
import { Injection } from './injection.ts';
import { LayerStack, type PassRandom } from './layer-stack.ts';
import type { Network } from './network.ts';
import { outputWidth } from './parameter-table.ts';
import type { PassInput } from './pass-batch.ts';
import { type RecurrentState, topStates } from './recurrent-state.ts';
import { reversedRows } from './sequence-order.ts';

/** What a forward pass reads; whatever is left out, there is none of it. */
export type ForwardCall = { inputs: Tensor } & Partial<PassInput> & {
    /** t of the first step within its sequences. Default 0. */
    firstStep?: number;
    /** Present: with the random masks of training. */
    random?: PassRandom;
  };

/** Forward passes without gradients over up to `steps` × `sequences` tokens: evaluation, scoring, reading a prompt. */
export class ForwardPass {
  readonly #network: Network;
  readonly #sequences: number;
  readonly #embedded: Tensor | null;
  readonly #injection: Injection;
  readonly #firstState: FirstState;
  readonly #stack: LayerStack;
  readonly #head: Head;
  readonly #lengthHead: Head | null;
  readonly #lengths: Tensor;
  readonly #reversed: Tensor | null;
  readonly #last: Tensor | null;

  /** @param watched whether `layers` is going to be asked */
  constructor(network: Network, steps: number, sequences: number, watched = false) {
    const { backend, layers, model, parameters, shape } = network;
    this.#network = network;
    this.#sequences = sequences;
    this.#embedded = parameters.encoder && backend.createTensor([steps, sequences, layers[0]!.inputSize]);
    this.#injection = new Injection(network, steps, sequences);
    this.#firstState = new FirstState(network, sequences);
    this.#stack = new LayerStack(network, null, steps, sequences, watched);
    this.#head = outputHead(network, steps, sequences);
    this.#lengthHead = lengthHead(network, steps, sequences);
    this.#lengths = backend.createTensor([sequences], 'int');
    this.#reversed = model.bidirectional ? backend.createTensor([steps, sequences], 'int') : null;
    this.#last = shape.outputAt === 'end' ? backend.createTensor([sequences, outputWidth(model)]) : null;
  }

  /** The states before the first step. @param context int [N] or real [N,C] where the network has one */
  begin(state: RecurrentState, context: Tensor | null = null): void {
    this.#firstState.set(state, context);
  }

  /**
   * Runs the recurrent layers; `state` flows on.
   * @returns what the head reads: the top layer's outputs, [T,N,H·directions], or its last states [N,H·directions] where there is one output
   * a sequence; valid until the next call
   */
  hidden(call: ForwardCall, state: RecurrentState): Tensor {
    const { backend, parameters } = this.#network;
    const { inputs, lengths = null } = call;
    const steps = inputs.shape[0]!;
    let input = inputs;
    if (this.#embedded !== null) {
      input = backend.view(this.#embedded, 0, steps);
      backend.embeddingForward({ table: parameters.encoder!, tokens: inputs, output: input });
    }
    if (lengths) backend.upload(this.#lengths, lengths);
    if (this.#reversed)
      backend.upload(backend.view(this.#reversed, 0, steps), reversedRows(lengths, steps, this.#sequences));
    const output = this.#stack.forward({
      input,
      injected: this.#injection.forward(call, steps),
      lengths: lengths && this.#lengths,
      reversed: this.#reversed && backend.view(this.#reversed, 0, steps),
      state,
      firstStep: call.firstStep ?? 0,
      random: call.random ?? null,
    });
    if (!this.#last) return output;
    backend.concatenate({ inputs: topStates(this.#network, state), output: this.#last });
    return this.#last;
  }

  /** The hidden units of every layer in the last call, bottom first, [T,N,H·directions]; valid until the next one. */
  layers(steps: number): Tensor[] {
    return this.#stack.outputs(steps);
  }

  /** What the network expects after `hidden`'s outputs [T,N,H], before the softmax: [T,N,V] into `output`. */
  logits(hidden: Tensor, output: Tensor): void {
    this.#head.outputs(hidden, output);
  }

  /** What the head that ends sequences says, [T,N,…] into `output`. */
  endings(hidden: Tensor, output: Tensor): void {
    this.#lengthHead!.outputs(hidden, output);
  }

  /** Adds up losses of targets under the outputs of `hidden`. */
  losses(hidden: Tensor, targets: HeadTargets, sums: HeadSums): void {
    this.#head.run(hidden, targets, sums, null);
  }

  /** Adds up losses of outputs that `logits` gave. */
  lossesOf(outputs: Tensor, targets: HeadTargets, sums: HeadSums): void {
    this.#head.loss(outputs, targets, sums, false);
  }

  /** The same for the head that ends sequences. */
  endingLosses(hidden: Tensor, targets: HeadTargets, sums: HeadSums): void {
    this.#lengthHead!.run(hidden, targets, sums, null);
  }

  release(): void {
    const { backend } = this.#network;
    this.#injection.release();
    this.#firstState.release();
    this.#stack.release();
    this.#head.release();
    this.#lengthHead?.release();
    const tensors = [this.#embedded, this.#lengths, this.#reversed, this.#last];
    backend.release(...tensors.filter((tensor) => tensor !== null));
  }
}
