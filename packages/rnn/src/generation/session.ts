import type { Tensor, TensorValues } from '@unfold/kernels';
import { nextTurn } from '../event-loop.ts';
import { ForwardPass } from '../model/forward-pass.ts';
import type { Network } from '../model/network.ts';
import { countParameters } from '../model/parameter-table.ts';
import { createState, type RecurrentState, releaseState, resetState } from '../model/recurrent-state.ts';

/** Multiply-adds, about, that may pass between two turns of the event loop. */
const workBetweenTurns = 2e7;
const longestChunk = 256;

/** Steps of a chunk of text, so that reading a long one neither blocks for long nor needs memory that grows with it. */
export const chunkSteps = (network: Network): number => {
  const work = countParameters(network.model, network.vocabularySize);
  return Math.max(1, Math.min(longestChunk, Math.floor(workBetweenTurns / work)));
};

/** One stream of text through a network: its state, and room for one step. */
export class Session {
  readonly #network: Network;
  readonly #state: RecurrentState;
  readonly #token: Tensor;
  readonly #embedded: Tensor | null;
  readonly #logits: Tensor;
  readonly #one = new Int32Array(1);

  constructor(network: Network) {
    const { backend, model, vocabularySize } = network;
    this.#network = network;
    this.#state = createState(network, 1);
    this.#token = backend.createTensor([1], 'int');
    this.#embedded = model.embedding_size === null ? null : backend.createTensor([1, model.embedding_size]);
    this.#logits = backend.createTensor([1, vocabularySize]);
  }

  /** Back to the zero state. */
  reset(): void {
    resetState(this.#network.backend, this.#state);
  }

  /** Reads a text in chunks; false if `signal` ended it. */
  async read(ids: Int32Array, signal?: AbortSignal): Promise<boolean> {
    const { backend } = this.#network;
    const longest = Math.min(chunkSteps(this.#network), ids.length);
    const pass = new ForwardPass(this.#network, longest, 1);
    const tokens = backend.createTensor([longest, 1], 'int');
    const host = new Int32Array(longest);
    try {
      for (let first = 0; first < ids.length; first += longest) {
        if (signal?.aborted) return false;
        const chunk = ids.subarray(first, first + longest);
        host.set(chunk);
        backend.upload(tokens, host);
        pass.hidden(backend.view(tokens, 0, chunk.length), this.#state);
        await backend.synchronize();
        await nextTurn();
      }
      return true;
    } finally {
      pass.release();
      backend.release(tokens);
    }
  }

  /** Reads one token. */
  step(token: number): void {
    const { backend, layers, parameters } = this.#network;
    this.#one[0] = token;
    backend.upload(this.#token, this.#one);
    let input = this.#token;
    if (this.#embedded !== null) {
      backend.embeddingForward({ table: parameters.encoder!, tokens: input, output: this.#embedded });
      input = this.#embedded;
    }
    layers.forEach((layer, k) => {
      const h = this.#state.h[k]!;
      backend.recurrentStep({
        layer,
        parameters: parameters.recurrent[k]!,
        input,
        h,
        c: this.#state.c[k]!,
      });
      input = h;
    });
  }

  /** What the model expects next, before the softmax, [V]. */
  logits(): Promise<TensorValues> {
    const { backend, parameters } = this.#network;
    backend.denseForward({ input: this.#state.h.at(-1)!, ...parameters.decoder, output: this.#logits });
    return backend.download(this.#logits);
  }

  release(): void {
    const { backend } = this.#network;
    releaseState(backend, this.#state);
    backend.release(this.#token, this.#logits, ...(this.#embedded ? [this.#embedded] : []));
  }
}
