import type { Backend, Tensor } from '@unfold/kernels';
import type { Network } from './network.ts';

/** Hidden state of every layer and direction, and cell state for LSTM, each [N,H]; null where a layer has none. It flows on in place. */
export interface RecurrentState {
  h: (Tensor | null)[];
  c: (Tensor | null)[];
}

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
