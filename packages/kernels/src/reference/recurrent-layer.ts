import type { RecurrentLayer, RecurrentParameters, SavedActivations, Tensor } from '../backend.ts';
import type { Cell } from './cell.ts';
import { elmanRelu, elmanTanh } from './elman.ts';
import type { Engine, RealArray } from './engine.ts';
import { gru } from './gru.ts';
import { gateRows } from './layout.ts';
import { lstm } from './lstm.ts';

export function cellOf(layer: RecurrentLayer): Cell {
  if (layer.cell === 'lstm') return lstm;
  if (layer.cell === 'gru') return gru;
  return layer.activation === 'relu' ? elmanRelu : elmanTanh;
}

/** What the last forward pass into a `Saved` was: its size and the tensors that backward will read. */
export interface Pass {
  readonly T: number;
  readonly N: number;
  readonly input: Tensor;
  readonly output: RealArray;
}

export interface Saved extends SavedActivations {
  readonly engine: Engine;
  /** [T, N, blocks·H]. */
  gates: RealArray;
  /** [T+1, N, H], c_0 first; LSTM only. */
  cells: RealArray;
  /** h_0, [N,H]. */
  first: RealArray;
  /** null: backward has consumed it, or there was no forward. */
  pass: Pass | null;
  released: boolean;
}

export function createSaved(engine: Engine, layer: RecurrentLayer, steps: number, sequences: number): Saved {
  const unit = sequences * layer.hiddenSize;
  return {
    engine,
    layer,
    steps,
    sequences,
    gates: engine.allocate(steps * unit * cellOf(layer).blocks),
    cells: engine.allocate(layer.cell === 'lstm' ? (steps + 1) * unit : 0),
    first: engine.allocate(unit),
    pass: null,
    released: false,
  };
}

/** `saved` as ours, if it is alive and was made for layers like `layer`. */
export function ownSaved(engine: Engine, layer: RecurrentLayer, saved: SavedActivations): Saved {
  const own = saved as Saved;
  if (own.engine !== engine || own.released)
    throw new TypeError('Expected living activations of this backend.');
  const { cell, hiddenSize } = own.layer;
  if (cell !== layer.cell || hiddenSize !== layer.hiddenSize)
    throw new TypeError(
      `Expected activations of ${layer.cell} ${layer.hiddenSize} but received ${cell} ${hiddenSize}.`,
    );
  return own;
}

export interface Weights {
  readonly weightIh: RealArray;
  readonly weightHh: RealArray;
  readonly biasIh: RealArray;
  readonly biasHh: RealArray;
}

export function weightsOf(engine: Engine, layer: RecurrentLayer, parameters: RecurrentParameters): Weights {
  const { inputSize, hiddenSize } = layer;
  const rows = gateRows(layer);
  const { role } = parameters.weightIh;
  if (role.use !== 'weight_ih' || role.layer.input !== layer.input)
    throw new TypeError(`Expected weightIh of a layer that reads ${layer.input}.`);
  return {
    weightIh: engine.reals(parameters.weightIh, 'weightIh', [rows, inputSize]),
    weightHh: engine.reals(parameters.weightHh, 'weightHh', [rows, hiddenSize]),
    biasIh: engine.reals(parameters.biasIh, 'biasIh', [rows]),
    biasHh: engine.reals(parameters.biasHh, 'biasHh', [rows]),
  };
}
