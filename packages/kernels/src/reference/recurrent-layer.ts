import type { RecurrentLayer } from '../backend.ts';
import { checkLayer } from '../checks/layer.ts';
import type { Saved } from '../checks/recurrent.ts';
import type { Engine } from '../engine.ts';
import { gateRows } from '../roles.ts';
import type { Cell } from './cell.ts';
import { elman } from './elman.ts';
import { gru } from './gru.ts';
import { gruBefore } from './gru-before.ts';
import { lstm } from './lstm.ts';
import { lstmWithOptions } from './lstm-options.ts';
import { inverseSize } from './normalization.ts';

export function isNormalized(layer: RecurrentLayer): boolean {
  return (layer.norm ?? 'none') !== 'none';
}

/** Whether the layer needs more than the plain LSTM's formulas. */
function hasLstmOptions(layer: RecurrentLayer): boolean {
  return (
    isNormalized(layer) ||
    layer.peephole === true ||
    (layer.candidateActivation ?? 'tanh') !== 'tanh' ||
    (layer.recurrentDropout ?? 0) > 0 ||
    (layer.zoneout?.cell ?? 0) > 0
  );
}

export function cellOf(layer: RecurrentLayer): Cell {
  if (layer.cell === 'lstm') return hasLstmOptions(layer) ? lstmWithOptions : lstm;
  if (layer.cell === 'gru') return layer.reset === 'before' ? gruBefore : gru;
  const cell = elman[layer.activation ?? 'tanh'];
  return layer.recurrent === false ? { ...cell, hidden: [] } : cell;
}

/** Elements that normalised products take: x̂ of U x, W h and c, and their inverses. */
export function normalizedSizes(layer: RecurrentLayer, slots: number, N: number): [number, number] {
  if (!isNormalized(layer)) return [0, 0];
  const [G, H] = [gateRows(layer), layer.hiddenSize];
  return [slots * N * (2 * G + H), slots * (2 * inverseSize(N, G, 2) + inverseSize(N, H, 1))];
}

/** Gates [T, N, blocks·H], cells [T+1, N, H] with c_0 first. */
export function createSaved(engine: Engine, layer: RecurrentLayer, steps: number, sequences: number): Saved {
  checkLayer(layer);
  const unit = sequences * layer.hiddenSize;
  const [normalized, inverses] = normalizedSizes(layer, steps, sequences);
  return {
    engine,
    layer,
    steps,
    sequences,
    gates: engine.allocate(steps * unit * cellOf(layer).blocks),
    cells: engine.allocate(layer.cell === 'lstm' ? (steps + 1) * unit : 0),
    first: engine.allocate(unit),
    normalized: engine.allocate(normalized),
    inverses: engine.allocate(inverses),
    pass: null,
    released: false,
  };
}
