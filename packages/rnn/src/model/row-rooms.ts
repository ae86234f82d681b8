import type { Tensor } from '@unfold/kernels';
import type { Network } from './network.ts';
import { countdownInputs, gateCount } from './parameter-table.ts';
import { createState, type RecurrentState, realArray, type StateValues } from './recurrent-state.ts';

/** What the heads said after a step; valid until the next one. */
export interface RowOutputs {
  /** By row, [V], before the softmax. */
  logits: StateValues[];
  /** By row, what the head that ends sequences says; empty: there is none. */
  endings: StateValues[];
}

/** Everything that has a row for each stream, or views of some rows of it. */
export interface Rooms {
  tokens: Tensor;
  embedded: Tensor | null;
  state: RecurrentState;
  /** Outputs of layers without a state, by layer. */
  outputs: (Tensor | null)[];
  countdown: Tensor | null;
  /** What the context adds to layer 0's input sum, and with the countdown's part. */
  context: Tensor | null;
  injected: Tensor | null;
  positions: Tensor | null;
  logits: Tensor;
  endings: Tensor | null;
}

/** The same on the host, as far as it crosses. */
export interface HostRooms {
  tokens: Int32Array;
  countdown: StateValues | null;
  positions: Int32Array | null;
  logits: StateValues;
  endings: StateValues | null;
}

/** Room for so many rows. */
export const createRooms = (network: Network, N: number): Rooms => {
  const { backend, model, parameters, layers, vocabularySize, statistics } = network;
  const real = (width: number): Tensor => backend.createTensor([N, width]);
  const gates = gateCount[model.cell] * model.hidden_size;
  return {
    tokens: backend.createTensor([N], 'int'),
    embedded: parameters.encoder && real(layers[0]!.inputSize),
    state: createState(network, N),
    outputs: layers.map(({ recurrent, hiddenSize }) => (recurrent === false ? real(hiddenSize) : null)),
    countdown: parameters.countdown && real(countdownInputs),
    context: parameters.context && real(gates),
    injected: parameters.countdown && real(gates),
    positions: statistics.some((each) => each !== null) ? backend.createTensor([N], 'int') : null,
    logits: real(vocabularySize),
    endings: parameters.length && real(parameters.length.weight.shape[0]!),
  };
};

export const createHostRooms = (
  { backend }: Network,
  { tokens, countdown, positions, logits, endings }: Rooms,
): HostRooms => {
  const Real = realArray(backend);
  const rows = tokens.shape[0]!;
  const real = ({ shape }: Tensor): StateValues => new Real(rows * shape[1]!);
  return {
    tokens: new Int32Array(rows),
    countdown: countdown && real(countdown),
    positions: positions && new Int32Array(rows),
    logits: real(logits),
    endings: endings && real(endings),
  };
};

export const mapRooms = (rooms: Rooms, map: (tensor: Tensor) => Tensor): Rooms => {
  const maybe = (tensor: Tensor | null): Tensor | null => tensor && map(tensor);
  return {
    tokens: map(rooms.tokens),
    embedded: maybe(rooms.embedded),
    state: { h: rooms.state.h.map(maybe), c: rooms.state.c.map(maybe) },
    outputs: rooms.outputs.map(maybe),
    countdown: maybe(rooms.countdown),
    context: maybe(rooms.context),
    injected: maybe(rooms.injected),
    positions: maybe(rooms.positions),
    logits: map(rooms.logits),
    endings: maybe(rooms.endings),
  };
};

export const tensorsOf = (rooms: Rooms): Tensor[] => {
  const all: Tensor[] = [];
  mapRooms(rooms, (tensor) => {
    all.push(tensor);
    return tensor;
  });
  return all;
};

/** By row, sharing the memory of `values`. */
const rowsOf = (values: StateValues, rows: number): StateValues[] => {
  const width = values.length / rows;
  return Array.from({ length: rows }, (_, n) => values.subarray(n * width, (n + 1) * width));
};

/** What is heard in them, by row. */
export const heardIn = ({ logits, endings }: HostRooms, rows: number): RowOutputs => ({
  logits: rowsOf(logits, rows),
  endings: endings ? rowsOf(endings, rows) : [],
});

/** So many rows from `first` on, of as many as `capacity`, in the same memory. */
export const hostRoomsOf = (
  { tokens, countdown, positions, logits, endings }: HostRooms,
  { capacity, first, rows }: { capacity: number; first: number; rows: number },
): HostRooms => {
  const part = <T extends StateValues | Int32Array>(values: T): T => {
    const width = values.length / capacity;
    return values.subarray(width * first, width * (first + rows)) as T;
  };
  return {
    tokens: part(tokens),
    countdown: countdown && part(countdown),
    positions: positions && part(positions),
    logits: part(logits),
    endings: endings && part(endings),
  };
};

export const bytesOf = (host: HostRooms): number =>
  Object.values(host).reduce((sum, values) => sum + (values?.byteLength ?? 0), 0);
