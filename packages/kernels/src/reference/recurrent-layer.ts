import type { RecurrentLayer } from '../backend.ts';
import type { Saved } from '../checks/recurrent.ts';
import type { Engine } from '../engine.ts';
import type { Cell } from './cell.ts';
import { elmanRelu, elmanTanh } from './elman.ts';
import { gru } from './gru.ts';
import { lstm } from './lstm.ts';

export function cellOf(layer: RecurrentLayer): Cell {
  if (layer.cell === 'lstm') return lstm;
  if (layer.cell === 'gru') return gru;
  return layer.activation === 'relu' ? elmanRelu : elmanTanh;
}

/** Gates [T, N, blocks·H], cells [T+1, N, H] with c_0 first. */
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
