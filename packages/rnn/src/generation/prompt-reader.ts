import type { Network } from '../model/network.ts';
import type { StateValues } from '../model/recurrent-state.ts';
import { type Chunk, ChunkReader } from '../rows/chunk-reader.ts';

/** A text that is being read, up to where it is read step by step. */
export interface Reading {
  readonly ids: Int32Array;
  /** Ids that were read, and where it ends. */
  read: number;
  readonly until: number;
  /** After what was read. */
  state: StateValues;
  /** t of the first id. */
  readonly position: number;
  readonly context: Int32Array | Float32Array | null;
  /** Wants to hear what the network expects after each id; null: does not. */
  readonly hear: ((t: number, logits: StateValues) => void) | null;
}

/** A reading pauses at every multiple of this, so that texts which begin alike have states in common places. */
export const readingBorder = 128;

const nextSteps = ({ read, until }: Reading): number =>
  Math.min(until - read, readingBorder - (read % readingBorder));

/** Prompts that are read at once. */
export const largestGroup = 16;

/** Reads prompts of different lengths side by side, a chunk at a time; each gets the state that it gets alone. */
export class PromptReader {
  readonly #network: Network;
  readonly #reader: ChunkReader;
  /** Where every text without a context begins. */
  #first: StateValues | null = null;

  constructor(network: Network) {
    this.#network = network;
    this.#reader = new ChunkReader(network);
  }

  /** The state before the first token, which others may have too: nobody changes it. */
  firstState(context: Reading['context']): StateValues | Promise<StateValues> {
    if (context !== null) return this.#reader.firstState(context);
    return (
      this.#first ??
      this.#reader.firstState(null).then((state) => {
        this.#first ??= state;
        return this.#first;
      })
    );
  }

  /**
   * Reads on in each of the texts.
   * @param readings at most `largestGroup`, all at the same t where there is batch normalisation; one that hears is alone
   * @param tokens about how many may be read, all together
   */
  async read(readings: readonly Reading[], tokens: number): Promise<void> {
    const sorted = [...readings].sort((a, b) => nextSteps(b) - nextSteps(a));
    const rows = sorted.map((reading) => ({
      state: reading.state,
      position: reading.position + reading.read,
      ahead: nextSteps(reading),
      inputs: reading.ids.subarray(reading.read),
      feedback: null,
      countdown: null,
      context: reading.context,
    }));
    const [first] = sorted;
    const hear = first!.hear ? (chunk: Chunk) => this.#hear(first!, chunk) : undefined;
    const chunks = await this.#reader.read(rows, tokens, hear);
    sorted.forEach((reading, n) => {
      reading.state = chunks[n]!.state;
      reading.read += chunks[n]!.steps;
    });
  }

  /** A step's logits at a time, so that a large vocabulary needs little room. */
  async #hear({ hear, read }: Reading, { pass, hidden, steps }: Chunk): Promise<void> {
    const { backend, vocabularySize } = this.#network;
    const logits = backend.createTensor([1, 1, vocabularySize]);
    try {
      for (let t = 0; t < steps; t++) {
        pass.logits(backend.view(hidden, t, 1), logits);
        hear!(read + t, (await backend.download(logits)) as StateValues);
      }
    } finally {
      backend.release(logits);
    }
  }

  release(): void {
    this.#reader.release();
  }
}
