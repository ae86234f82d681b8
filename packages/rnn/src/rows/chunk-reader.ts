import type { Backend, Tensor } from '@unfold/kernels';
import { ForwardPass } from '../model/forward-pass.ts';
import { outputSteps } from '../model/head.ts';
import { type Network, upload } from '../model/network.ts';
import type { Port } from '../model/network-shape.ts';
import { countdownInputs, countParameters } from '../model/parameter-table.ts';
import {
  createState,
  type RecurrentState,
  readStates,
  realArray,
  releaseState,
  type StateValues,
  stateSize,
  stateTensors,
  writeState,
} from '../model/recurrent-state.ts';

/** Multiply-adds, about, that may pass between two turns of the event loop. */
const workBetweenTurns = 2e7;
const longestChunk = 256;

/** Steps of a chunk of text, so that reading a long one neither blocks for long nor needs memory that grows with it. */
export const chunkSteps = (network: Network): number => {
  const work = countParameters(network.model, network.shape);
  return Math.max(1, Math.min(longestChunk, Math.floor(workBetweenTurns / work)));
};

/** Steps, of all rows together, that a turn of a queue of rows reads: two of each at least, since a chunk has a cost of its own. */
export const turnTokens = (network: Network, rows: number): number => Math.max(chunkSteps(network), 2 * rows);

type Numbers = Int32Array | Float32Array | Float64Array;

/** A sequence as far as it is to be read now. */
export interface ReadRow {
  /** After what was read before; null: nothing was. */
  state: StateValues | null;
  /** t of the next step within its sequence. */
  position: number;
  /** Steps that may be read, at least 1. */
  ahead: number;
  /** From the next step on, `ahead` steps or more: int [T] or real [T,C]. */
  inputs: Numbers;
  /** The same of what the network is fed. null, here and below: the network has no place for it. */
  feedback: Numbers | null;
  /** [T,2], see `Sources`. */
  countdown: Float32Array | null;
  /** Where the state after it may be put, `state` itself too; absent: in memory of its own. */
  memory?: StateValues;
  /** int [1] or real [C]. */
  context: Int32Array | Float32Array | null;
}

/** A chunk that was read, T = `steps`, N = `rows`: those beyond the rows that were given are empty. */
export interface Chunk {
  pass: ForwardPass;
  /** What heads read, see `ForwardPass.hidden`. */
  hidden: Tensor;
  steps: number;
  rows: number;
  /** [N] */
  lengths: Int32Array;
}

interface Room {
  steps: number;
  pass: ForwardPass;
  state: RecurrentState;
  /** Its tensors' rows on their way, since memory that is made anew at every chunk costs more than the chunk of a small network. */
  host: StateValues[];
  inputs: Tensor;
  feedback: Tensor | null;
  countdown: Tensor | null;
  context: Tensor | null;
}

/** Sequences that are read at once take the smallest room that they fit in. */
const roomSizes = [1, 4, 16, 64];
/** A room's steps are fewer the more rows it has: their product is about this. */
const roomTokens = longestChunk;

/**
 * Reads sequences of different lengths side by side, a chunk of each at a time. Their states rest on the host meanwhile, so that who is beside
 * whom may change at every chunk; each has the bits that it has alone.
 */
export class ChunkReader {
  readonly #network: Network;
  readonly #watched: boolean;
  readonly #rooms = new Map<number, Room>();

  /** @param watched whether the layers of its passes are looked at, see `ForwardPass.layers` */
  constructor(network: Network, watched = false) {
    this.#network = network;
    this.#watched = watched;
  }

  /** Whether only rows at the same t may be read side by side: each step has statistics of its own. */
  get sameSteps(): boolean {
    return this.#network.statistics.some((each) => each !== null);
  }

  /** @param least steps that must fit in */
  #room(count: number, least: number): { N: number; room: Room } {
    const N = roomSizes.find((size) => size >= count) ?? count;
    const known = this.#rooms.get(N);
    if (known && known.steps >= least) return { N, room: known };
    if (known) this.#release(known);
    const { backend, model, shape } = this.#network;
    const usual = outputSteps(Math.max(1, Math.floor(roomTokens / N)), N, shape.output.size);
    const steps = Math.max(usual, least);
    const place = (port: Port, lead: number[]): Tensor =>
      port.kind === 'tokens' ? backend.createTensor(lead, 'int') : backend.createTensor([...lead, port.size]);
    const state = createState(this.#network, N);
    const Real = realArray(backend);
    const room: Room = {
      steps,
      pass: new ForwardPass(this.#network, steps, N, this.#watched),
      state,
      host: stateTensors(state).map(({ shape }) => new Real(N * shape[1]!)),
      inputs: place(shape.input, [steps, N]),
      feedback: shape.feedback && place(shape.feedback, [steps, N]),
      countdown: model.length === 'countdown' ? backend.createTensor([steps, N, countdownInputs]) : null,
      context: shape.context && place(shape.context, [N]),
    };
    this.#rooms.set(N, room);
    return { N, room };
  }

  /** The state before the first step. */
  async firstState(context: ReadRow['context']): Promise<StateValues> {
    const { room } = this.#room(1, 1);
    if (room.context) put(this.#network.backend, room.context, context!);
    room.pass.begin(room.state, room.context);
    const [state] = await readStates(this.#network, room.state, 0, 1);
    return state!;
  }

  /**
   * Reads on in each of the rows.
   * @param rows best in the order of falling `ahead`, which costs least; all at the same position where `sameSteps`
   * @param tokens about how many steps may be read, of all rows together; null: everything that is ahead
   * @param hear told of the chunk before it is gone
   * @returns by row: steps that were read, and the state after them
   */
  async read(
    rows: readonly ReadRow[],
    tokens: number | null,
    hear?: (chunk: Chunk) => Promise<void>,
  ): Promise<{ steps: number; state: StateValues }[]> {
    const { backend } = this.#network;
    const longest = Math.max(...rows.map(({ ahead }) => ahead));
    const { N, room } = this.#room(rows.length, tokens === null ? longest : 1);
    const fair = tokens === null ? longest : Math.max(1, Math.floor(tokens / rows.length));
    const steps = Math.min(room.steps, longest, fair);
    const lengths = new Int32Array(N);
    rows.forEach(({ ahead }, n) => {
      lengths[n] = Math.min(steps, ahead);
    });
    const fill = <T extends Tensor | null>(tensor: T, of: (row: ReadRow) => Numbers | null): T => {
      if (tensor === null) return tensor;
      const part = backend.view(tensor, 0, steps);
      put(backend, part, sideBySide(rows.map(of), lengths, part));
      return part as T;
    };
    const call = {
      inputs: fill(room.inputs, ({ inputs }) => inputs),
      feedback: fill(room.feedback, ({ feedback }) => feedback),
      countdown: fill(room.countdown, ({ countdown }) => countdown),
    };
    this.#uploadContexts(room.context, rows);
    this.#begin(room, rows);
    const ragged = lengths.some((length) => length < steps);
    const hidden = room.pass.hidden(
      { ...call, context: room.context, lengths: ragged ? lengths : null, firstStep: rows[0]!.position },
      room.state,
    );
    await hear?.({ pass: room.pass, hidden, steps, rows: N, lengths });
    const states = await this.#end(room, rows);
    return states.map((state, n) => ({ steps: lengths[n]!, state }));
  }

  #uploadContexts(tensor: Tensor | null, rows: readonly ReadRow[]): void {
    if (tensor === null) return;
    const width = tensor.shape[1] ?? 1;
    const values = new (tensor.type === 'int' ? Int32Array : Float32Array)(tensor.shape[0]! * width);
    rows.forEach(({ context }, n) => {
      values.set(context!, n * width);
    });
    put(this.#network.backend, tensor, values);
  }

  #begin({ pass, state, host, context }: Room, rows: readonly ReadRow[]): void {
    const { backend } = this.#network;
    const states = rows.map((row) => row.state);
    if (states.some((each) => each === null)) {
      pass.begin(state, context);
      states.forEach((each, n) => {
        if (each) writeState(this.#network, state, n, each);
      });
      return;
    }
    let place = 0;
    stateTensors(state).forEach((tensor, k) => {
      const width = tensor.shape[1]!;
      const values = host[k]!.subarray(0, rows.length * width);
      states.forEach((each, n) => {
        values.set(each!.subarray(place, place + width), n * width);
      });
      backend.upload(backend.view(tensor, 0, rows.length), values);
      place += width;
    });
  }

  async #end({ state, host }: Room, rows: readonly ReadRow[]): Promise<StateValues[]> {
    const { backend } = this.#network;
    const Real = realArray(backend);
    const size = stateSize(this.#network);
    const states = rows.map(({ memory }) => memory ?? new Real(size));
    let place = 0;
    for (const [k, tensor] of stateTensors(state).entries()) {
      const width = tensor.shape[1]!;
      const values = host[k]!.subarray(0, rows.length * width);
      await backend.download(backend.view(tensor, 0, rows.length), values);
      states.forEach((each, n) => {
        each.set(values.subarray(n * width, (n + 1) * width), place);
      });
      place += width;
    }
    return states;
  }

  #release({ pass, state, inputs, feedback, countdown, context }: Room): void {
    const { backend } = this.#network;
    pass.release();
    releaseState(backend, state);
    const tensors = [inputs, feedback, countdown, context];
    backend.release(...tensors.filter((tensor) => tensor !== null));
  }

  release(): void {
    for (const room of this.#rooms.values()) this.#release(room);
    this.#rooms.clear();
  }
}

const put = (backend: Backend, tensor: Tensor, values: Numbers): void =>
  values instanceof Int32Array ? backend.upload(tensor, values) : upload(backend, tensor, values);

/** The first `lengths[n]` steps of each row n, as [T,N,…], zeros elsewhere. */
const sideBySide = (
  values: readonly (Numbers | null)[],
  lengths: Int32Array,
  { shape, type }: Tensor,
): Numbers => {
  const N = shape[1]!;
  const width = shape[2] ?? 1;
  const size = shape[0]! * N * width;
  const all =
    type === 'int'
      ? new Int32Array(size)
      : values[0] instanceof Float64Array
        ? new Float64Array(size)
        : new Float32Array(size);
  values.forEach((row, n) => {
    for (let t = 0; t < lengths[n]!; t++)
      for (let k = 0; k < width; k++) all[(t * N + n) * width + k] = row![t * width + k]!;
  });
  return all;
};
