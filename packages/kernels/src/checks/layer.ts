import type { RecurrentLayer } from '../backend.ts';
import { expectNumber } from '../engine.ts';

function refuse(option: string, layer: RecurrentLayer, where: string): never {
  throw new RangeError(`Expected ${option} only in ${where} but received it in ${layer.cell}.`);
}

/** Layers that have been checked: generation asks for every token. */
const checked = new WeakSet<RecurrentLayer>();

/** Throws a `RangeError` for an option that the layer's cell has no place for, and for rates and counts out of range. */
export function checkLayer(layer: RecurrentLayer): void {
  if (checked.has(layer)) return;
  const { cell, zoneout, recurrentDropout = 0 } = layer;
  if ((layer.candidateActivation ?? 'tanh') !== 'tanh' && cell !== 'lstm')
    refuse('candidateActivation', layer, 'lstm');
  if (layer.peephole && cell !== 'lstm') refuse('peephole', layer, 'lstm');
  if (layer.reset === 'before' && cell !== 'gru') refuse('reset before', layer, 'gru');
  if (layer.recurrent === false && cell !== 'elman') refuse('recurrent false', layer, 'elman');
  if (recurrentDropout > 0 && cell === 'elman') refuse('recurrentDropout', layer, 'lstm and gru');
  if ((zoneout?.cell ?? 0) > 0 && cell !== 'lstm') refuse('zoneout of cells', layer, 'lstm');
  if ((zoneout?.hidden ?? 0) > 0 && layer.recurrent === false)
    throw new RangeError('Expected no zoneout in a layer without recurrence, which has no state to keep.');
  for (const [rate, label] of [
    [zoneout?.hidden ?? 0, 'zoneout.hidden'],
    [zoneout?.cell ?? 0, 'zoneout.cell'],
    [recurrentDropout, 'recurrentDropout'],
  ] as const)
    expectNumber(rate, label, rate >= 0 && rate < 1, 'at least 0 and below 1');
  if (layer.norm === 'batch') {
    const { normSteps = 0 } = layer;
    const valid = Number.isSafeInteger(normSteps) && normSteps >= 1;
    expectNumber(normSteps, 'normSteps', valid, 'a whole number from 1 with batch normalisation');
  }
  checked.add(layer);
}
