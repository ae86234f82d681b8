import type { Backend, Tensor } from '@unfold/kernels';
import type { Network } from './network.ts';

/** Hidden state of every layer and direction, and cell state for LSTM, each [N,H]; null where a layer has none. It flows on in place. */
export interface RecurrentState {
  h: (Tensor | null)[];
  c: (Tensor | null)[];
}

/** The state of one sequence on the host: every tensor's row, in the order of `stateTensors`. */
export type StateValues = Float32Array | Float64Array;

/** Zeros. */
export const createState = ({ backend, layers }: Network, sequences: number): RecurrentState => ({
  h: layers.map(({ recurrent, hiddenSize }) =>
    recurrent === false ? null : backend.createTensor([sequences, hiddenSize]),
  ),
  c: layers.map(({ cell, hiddenSize }) =>
    cell === 'lstm' ? backend.createTensor([sequences, hiddenSize]) : null,
  ),
});

export const stateTensors = ({ h, c }: RecurrentState): Tensor[] =>
  [...h, ...c].filter((tensor) => tensor !== null);

export const resetState = (backend: Backend, state: RecurrentState): void =>
  backend.zero(...stateTensors(state));

export const releaseState = (backend: Backend, state: RecurrentState): void =>
  backend.release(...stateTensors(state));

/** Hidden states of the top layer, one a direction. */
export const topStates = ({ layers, model }: Network, { h }: RecurrentState): Tensor[] =>
  h.slice(layers.length - layers.length / model.num_layers).map((tensor) => tensor!);

/** Numbers in the state of one sequence. */
export const stateSize = ({ layers }: Network): number =>
  layers.reduce(
    (sum, { recurrent, cell, hiddenSize }) =>
      sum + (recurrent === false ? 0 : hiddenSize) + (cell === 'lstm' ? hiddenSize : 0),
    0,
  );

/** The array type of a backend's real numbers. */
export const realArray = (backend: Backend): Float32ArrayConstructor | Float64ArrayConstructor =>
  backend.describe().precision === 'float64' ? Float64Array : Float32Array;

/** The states of rows first … first + count − 1. */
export const readStates = async (
  { backend }: Network,
  state: RecurrentState,
  first: number,
  count: number,
): Promise<StateValues[]> => {
  const parts = await Promise.all(
    stateTensors(state).map(async (tensor) => ({
      width: tensor.shape[1]!,
      values: (await backend.download(backend.view(tensor, first, count))) as StateValues,
    })),
  );
  const size = parts.reduce((sum, { width }) => sum + width, 0);
  const Real = realArray(backend);
  return Array.from({ length: count }, (_, row) => {
    const values = new Real(size);
    let place = 0;
    for (const { width, values: rows } of parts) {
      values.set(rows.subarray(row * width, (row + 1) * width), place);
      place += width;
    }
    return values;
  });
};

/** What each of `stateTensors` has of the state of one sequence, in the same memory. */
export const partsOf = (tensors: readonly Tensor[], values: StateValues): StateValues[] => {
  let place = 0;
  return tensors.map(({ shape }) => {
    const start = place;
    place += shape[1]!;
    return values.subarray(start, place);
  });
};

/** Puts the state of a sequence into a row. */
export const writeState = (
  { backend }: Network,
  state: RecurrentState,
  row: number,
  values: StateValues,
): void => {
  const tensors = stateTensors(state);
  partsOf(tensors, values).forEach((part, k) => {
    backend.upload(backend.view(tensors[k]!, row, 1), part);
  });
};
