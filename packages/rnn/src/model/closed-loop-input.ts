import type { Backend, Tensor } from '@unfold/kernels';
import { mixRows, mixRowsBackward } from './linear.ts';
import type { GradientSet, Network } from './network.ts';
import type { PassInput } from './pass-batch.ts';

/** Part of a call: steps first … first + steps − 1. */
export interface ClosedLoopChunk extends PassInput {
  first: number;
  /** real [T,N], 1 where a network is fed its own numbers and 0 where it is fed known ones; null: its own everywhere. */
  own: Tensor | null;
}

/**
 * `own` · `answers` + `known` at one step.
 * @param answers [1,N,F]
 * @param known [T,N,F], zeros where `own` is 1
 * @param room [T,N,F]
 */
export const mixAnswers = (
  backend: Backend,
  answers: Tensor,
  { own }: ClosedLoopChunk,
  known: Tensor,
  room: Tensor | null,
  t: number,
): Tensor => {
  if (own === null) return answers;
  const mixed = backend.view(room!, t, 1);
  backend.scaleRows({ input: answers, factors: backend.view(own, t, 1), output: mixed });
  backend.add({ source: backend.view(known, t, 1), target: mixed });
  return mixed;
};

/**
 * What layer 0 reads in a closed loop, step by step, and the way of gradients back through it. Where outputs are inputs (`readsOutputs`), answers take the place
 * of what is known: numbers as they are; of a text ŷ, or ŷ E, the rows of the embedding mixed by their probabilities, but for the first step of
 * a call, which reads the symbol before it.
 */
export class ClosedLoopInput {
  readonly #network: Network;
  readonly #gradients: GradientSet;
  /** By step, [T,N,E], of a network that reads ŷ only the first; null: nothing is embedded. */
  readonly #embedded: Tensor | null;
  readonly #dEmbedded: Tensor | null;
  /** Numbers that may be more than answers, [T,N,C]; null: inputs are known, or nothing is mixed. */
  readonly #read: Tensor | null;
  /** Gradient of answers that were read, [1,N,F]; null: inputs are no outputs. */
  readonly #dRead: Tensor | null;
  /** Where a mixture needs room, [1,N,E]. */
  readonly #scratch: Tensor | null;

  /** @param longest steps between two cuts */
  constructor(network: Network, gradients: GradientSet, longest: number, sequences: number) {
    const { backend, identity, layers, parameters, shape } = network;
    const real = (steps: number, width: number): Tensor => backend.createTensor([steps, sequences, width]);
    const { readsOutputs } = shape;
    const { encoder } = parameters;
    const width = layers[0]!.inputSize;
    const mixes = readsOutputs && encoder !== null && identity === null;
    this.#network = network;
    this.#gradients = gradients;
    this.#embedded = encoder && real(identity ? 1 : longest, width);
    this.#dEmbedded = gradients.encoder || mixes ? real(longest, width) : null;
    this.#read = readsOutputs && shape.loss !== 'softmax' ? real(longest, shape.output.size) : null;
    this.#dRead = readsOutputs ? real(1, shape.output.size) : null;
    this.#scratch = mixes ? real(1, width) : null;
  }

  /** Whether step t of a chunk reads symbols that are known. */
  #looksUp(chunk: ClosedLoopChunk, t: number): boolean {
    return !this.#network.shape.readsOutputs || chunk.first + t === 0;
  }

  /** Before the steps of a chunk: looks up what is known of them. */
  begin(chunk: ClosedLoopChunk): void {
    const { backend, parameters } = this.#network;
    if (this.#embedded === null || !this.#looksUp(chunk, 0)) return;
    const steps = this.#looksUp(chunk, 1) ? chunk.steps : 1;
    backend.embeddingForward({
      table: parameters.encoder!,
      tokens: backend.view(chunk.inputs, 0, steps),
      output: backend.view(this.#embedded, 0, steps),
    });
  }

  /** What layer 0 reads at step t. @param answers f(o) of the step before, [1,N,F] */
  at(chunk: ClosedLoopChunk, t: number, answers: Tensor): Tensor {
    const { backend, parameters, shape } = this.#network;
    if (this.#embedded && this.#looksUp(chunk, t)) return backend.view(this.#embedded, t, 1);
    if (this.#scratch) {
      const output = backend.view(this.#embedded!, t, 1);
      mixRows(backend, { table: parameters.encoder!, weights: answers, output, scratch: this.#scratch });
      return output;
    }
    return shape.readsOutputs
      ? mixAnswers(backend, answers, chunk, chunk.inputs, this.#read, t)
      : backend.view(chunk.inputs, t, 1);
  }

  /** Where layer 0 leaves the gradient of what it read at step t; null: nobody wants it. */
  gradient(t: number): Tensor | null {
    return this.#dEmbedded ? this.#network.backend.view(this.#dEmbedded, t, 1) : this.#dRead;
  }

  /** The gradient of the answers that were read at step t, after layer 0 left its own there: [1,N,F], valid until the next call; null: none were. */
  answersGradient(t: number, answers: Tensor): Tensor | null {
    const { backend, parameters } = this.#network;
    if (this.#dRead && this.#dEmbedded)
      mixRowsBackward(backend, {
        table: parameters.encoder!,
        weights: answers,
        dOutput: backend.view(this.#dEmbedded, t, 1),
        dWeights: this.#dRead,
        dTable: null,
      });
    return this.#dRead;
  }

  /** After all steps of a chunk: the gradient of the embedding. @param answers by step, [T,N,F] */
  backward(chunk: ClosedLoopChunk, answers: Tensor): void {
    const { backend, parameters } = this.#network;
    const { encoder } = this.#gradients;
    if (encoder === null) return;
    const part = (tensor: Tensor, first: number, end: number) => backend.view(tensor, first, end - first);
    const known = this.#looksUp(chunk, 0) ? (this.#looksUp(chunk, 1) ? chunk.steps : 1) : 0;
    if (known > 0)
      backend.embeddingBackward({
        tokens: part(chunk.inputs, 0, known),
        dOutput: part(this.#dEmbedded!, 0, known),
        dTable: encoder,
      });
    if (known < chunk.steps)
      mixRowsBackward(backend, {
        table: parameters.encoder!,
        weights: part(answers, known, chunk.steps),
        dOutput: part(this.#dEmbedded!, known, chunk.steps),
        dWeights: null,
        dTable: encoder,
      });
  }

  release(): void {
    const tensors = [this.#embedded, this.#dEmbedded, this.#read, this.#dRead, this.#scratch];
    this.#network.backend.release(...tensors.filter((tensor) => tensor !== null));
  }
}
