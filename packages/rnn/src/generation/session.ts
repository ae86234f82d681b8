import type { Tensor, TensorValues } from '@unfold/kernels';
import { nextTurn } from '../event-loop.ts';
import { ForwardPass } from '../model/forward-pass.ts';
import type { Network } from '../model/network.ts';
import { countdownInputs, countParameters, outputWidth } from '../model/parameter-table.ts';
import { createState, type RecurrentState, releaseState } from '../model/recurrent-state.ts';

/** Multiply-adds, about, that may pass between two turns of the event loop. */
const workBetweenTurns = 2e7;
const longestChunk = 256;

/** Steps of a chunk of text, so that reading a long one neither blocks for long nor needs memory that grows with it. */
export const chunkSteps = (network: Network): number => {
  const work = countParameters(network.model, network.shape);
  return Math.max(1, Math.min(longestChunk, Math.floor(workBetweenTurns / work)));
};

/** One stream of text through a network: its state, and room for one step. */
export class Session {
  readonly #network: Network;
  readonly #state: RecurrentState;
  readonly #pass: ForwardPass;
  readonly #token: Tensor;
  readonly #logits: Tensor;
  readonly #one = new Int32Array(1);
  /** Tokens read. */
  #time = 0;
  /** What the head reads next. */
  #hidden: Tensor;
  readonly #nothing: Tensor;
  readonly #context: Tensor | null;
  readonly #countdown: Tensor | null;
  readonly #ending: Tensor | null;

  /** @param context a label's row or a vector, where the network is conditioned on one */
  constructor(network: Network, context: Int32Array | Float32Array | null = null) {
    const { backend, vocabularySize, shape, parameters } = network;
    this.#network = network;
    this.#state = createState(network, 1);
    this.#pass = new ForwardPass(network, 1, 1);
    this.#token = backend.createTensor([1, 1], 'int');
    this.#logits = backend.createTensor([1, 1, vocabularySize]);
    this.#nothing = backend.createTensor([1, 1, outputWidth(network.model)]);
    this.#hidden = this.#nothing;
    this.#context =
      shape.context &&
      (shape.context.kind === 'tokens'
        ? backend.createTensor([1], 'int')
        : backend.createTensor([1, shape.context.size]));
    if (this.#context) backend.upload(this.#context, context!);
    this.#countdown = parameters.countdown && backend.createTensor([1, 1, countdownInputs]);
    this.#ending = parameters.length && backend.createTensor([1, 1, parameters.length.weight.shape[0]!]);
    this.#pass.begin(this.#state, this.#context);
  }

  /** Reads a text in chunks; false if `signal` ended it. */
  async read(ids: Int32Array, signal?: AbortSignal): Promise<boolean> {
    const { backend } = this.#network;
    // The last token goes by itself, since what follows it is asked for.
    const most = ids.length - 1;
    if (most > 0 && !(await this.#readChunks(ids.subarray(0, most), signal))) return false;
    if (signal?.aborted) return false;
    if (most >= 0) this.step(ids[most]!);
    await backend.synchronize();
    return true;
  }

  async #readChunks(ids: Int32Array, signal?: AbortSignal): Promise<boolean> {
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
        const inputs = backend.view(tokens, 0, chunk.length);
        pass.hidden({ inputs, context: this.#context, firstStep: this.#time }, this.#state);
        this.#time += chunk.length;
        await backend.synchronize();
        await nextTurn();
      }
      return true;
    } finally {
      pass.release();
      backend.release(tokens);
    }
  }

  /**
   * Reads one token.
   * @param remaining in a network that counts down: how many tokens were left before it, as a share of the longest; null: not known
   */
  step(token: number, remaining: number | null = null): void {
    const { backend } = this.#network;
    this.#one[0] = token;
    backend.upload(this.#token, this.#one);
    if (this.#countdown) backend.upload(this.#countdown, remaining === null ? [0, 0] : [remaining, 1]);
    this.#hidden = this.#pass.hidden(
      { inputs: this.#token, context: this.#context, countdown: this.#countdown, firstStep: this.#time },
      this.#state,
    );
    this.#time++;
  }

  /** What the model expects after the last token, before the softmax, [V]. */
  logits(): Promise<TensorValues> {
    this.#pass.logits(this.#hidden, this.#logits);
    return this.#network.backend.download(this.#logits);
  }

  /** What the head that ends sequences says after the last token. */
  endings(): Promise<TensorValues> {
    this.#pass.endings(this.#hidden, this.#ending!);
    return this.#network.backend.download(this.#ending!);
  }

  release(): void {
    const { backend } = this.#network;
    const own = [this.#context, this.#countdown, this.#ending];
    backend.release(...own.filter((tensor) => tensor !== null));
    this.#pass.release();
    releaseState(backend, this.#state);
    backend.release(this.#token, this.#logits, this.#nothing);
  }
}
