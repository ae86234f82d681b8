import type { Tensor } from '@unfold/kernels';
import { ForwardPass } from '../model/forward-pass.ts';
import type { Network } from '../model/network.ts';
import { countParameters } from '../model/parameter-table.ts';
import {
  createState,
  type RecurrentState,
  readStates,
  releaseState,
  type StateValues,
  writeStates,
} from '../model/recurrent-state.ts';

/** Multiply-adds, about, that may pass between two turns of the event loop. */
const workBetweenTurns = 2e7;
const longestChunk = 256;

/** Steps of a chunk of text, so that reading a long one neither blocks for long nor needs memory that grows with it. */
export const chunkSteps = (network: Network): number => {
  const work = countParameters(network.model, network.shape);
  return Math.max(1, Math.min(longestChunk, Math.floor(workBetweenTurns / work)));
};

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

/** Sequences that are read at once: a group takes the smallest room that it fits in. */
const groupSizes = [1, 4, 16];
export const largestGroup = groupSizes.at(-1)!;

interface Room {
  steps: number;
  pass: ForwardPass;
  state: RecurrentState;
  tokens: Tensor;
  context: Tensor | null;
}

/** Reads texts of different lengths side by side, a chunk at a time; each gets the state that it gets alone. */
export class PromptReader {
  readonly #network: Network;
  readonly #rooms = new Map<number, Room>();

  constructor(network: Network) {
    this.#network = network;
  }

  #room(count: number): { N: number; room: Room } {
    const N = groupSizes.find((size) => size >= count)!;
    const known = this.#rooms.get(N);
    if (known) return { N, room: known };
    const { backend, shape } = this.#network;
    const steps = Math.max(1, Math.floor(longestChunk / N));
    const room: Room = {
      steps,
      pass: new ForwardPass(this.#network, steps, N),
      state: createState(this.#network, N),
      tokens: backend.createTensor([steps, N], 'int'),
      context:
        shape.context &&
        (shape.context.kind === 'tokens'
          ? backend.createTensor([N], 'int')
          : backend.createTensor([N, shape.context.size])),
    };
    this.#rooms.set(N, room);
    return { N, room };
  }

  #uploadContexts(tensor: Tensor, readings: readonly Reading[]): void {
    const { backend } = this.#network;
    const width = tensor.shape[1] ?? 1;
    const values = new Array<number>(tensor.shape[0]! * width).fill(0);
    readings.forEach(({ context }, n) => {
      context!.forEach((value, k) => {
        values[n * width + k] = value;
      });
    });
    backend.upload(tensor, values);
  }

  /** The state before the first token. */
  async firstState(context: Reading['context']): Promise<StateValues> {
    const { room } = this.#room(1);
    if (room.context) this.#uploadContexts(room.context, [{ context } as Reading]);
    room.pass.begin(room.state, room.context);
    const [state] = await readStates(this.#network, room.state, 0, 1);
    return state!;
  }

  /**
   * Reads on in each of the texts.
   * @param readings at most `largestGroup`, all at the same t where there is batch normalisation; one that hears is alone
   * @param tokens about how many may be read, all together
   */
  async read(readings: readonly Reading[], tokens: number): Promise<void> {
    const { backend } = this.#network;
    // Sequences of falling length cost least.
    const sorted = [...readings].sort((a, b) => nextSteps(b) - nextSteps(a));
    const { N, room } = this.#room(sorted.length);
    const first = sorted[0]!;
    const fair = Math.max(1, Math.floor(tokens / sorted.length));
    const steps = Math.min(room.steps, nextSteps(first), fair);
    const host = new Int32Array(steps * N);
    const lengths = new Int32Array(N);
    sorted.forEach((reading, n) => {
      lengths[n] = Math.min(steps, nextSteps(reading));
      for (let t = 0; t < lengths[n]!; t++) host[t * N + n] = reading.ids[reading.read + t]!;
    });
    const inputs = backend.view(room.tokens, 0, steps);
    backend.upload(inputs, host);
    writeStates(
      this.#network,
      room.state,
      0,
      sorted.map(({ state }) => state),
    );
    if (room.context) this.#uploadContexts(room.context, sorted);
    const ragged = sorted.length < N || lengths.some((length) => length < steps);
    const hidden = room.pass.hidden(
      {
        inputs,
        lengths: ragged ? lengths : null,
        context: room.context,
        firstStep: first.position + first.read,
      },
      room.state,
    );
    if (first.hear) await this.#hear(first, room, hidden, steps);
    const states = await readStates(this.#network, room.state, 0, sorted.length);
    sorted.forEach((reading, n) => {
      reading.state = states[n]!;
      reading.read += lengths[n]!;
    });
  }

  /** A step's logits at a time, so that a large vocabulary needs little room. */
  async #hear({ hear, read }: Reading, { pass }: Room, hidden: Tensor, steps: number): Promise<void> {
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
    const { backend } = this.#network;
    for (const { pass, state, tokens, context } of this.#rooms.values()) {
      pass.release();
      releaseState(backend, state);
      backend.release(tokens, ...(context ? [context] : []));
    }
    this.#rooms.clear();
  }
}
