import type { NormStatistics, RandomKey, RecurrentLayer } from '../backend.ts';
import { type Door, expectNumber, type RealArray, type Region } from '../engine.ts';
import { shapeOfRole } from '../roles.ts';

/** A key with its sequences as an array. */
export interface CheckedKey extends Omit<RandomKey, 'sequences'> {
  readonly sequences: Int32Array | null;
}

export interface StatisticsArrays<R = RealArray> {
  /** [steps, columns]. */
  readonly mean: R;
  readonly variance: R;
  /** [steps]. */
  readonly batches: R;
}

export function checkKey(
  engine: Pick<Door, 'ints'>,
  key: RandomKey | null | undefined,
  N: number,
): CheckedKey | null {
  if (!key) return null;
  // A copy, since callers may fill their tensor for the next batch before backward has run.
  const sequences = key.sequences && engine.ints(key.sequences, 'sequences of training', [N]).slice();
  return { ...key, sequences };
}

/** Statistics of a layer with batch normalisation; null for others. */
export function checkStatistics<R extends Region>(
  engine: Door<R, unknown>,
  layer: RecurrentLayer,
  statistics: NormStatistics | null | undefined,
): StatisticsArrays<R> | null {
  if (layer.norm !== 'batch') {
    if (statistics) throw new TypeError('Expected no statistics of a layer without batch normalisation.');
    return null;
  }
  if (!statistics) throw new TypeError('Expected the statistics of a layer with batch normalisation.');
  const moments = shapeOfRole({ use: 'norm_statistics', layer, of: 'moments' });
  return {
    mean: engine.reals(statistics.mean, 'running mean', moments),
    variance: engine.reals(statistics.variance, 'running variance', moments),
    batches: engine.reals(
      statistics.batches,
      'running batches',
      shapeOfRole({ use: 'norm_statistics', layer, of: 'batches' }),
    ),
  };
}

export function checkFirstStep(firstStep = 0): number {
  const valid = Number.isSafeInteger(firstStep) && firstStep >= 0;
  expectNumber(firstStep, 'firstStep', valid, 'a whole number');
  return firstStep;
}
