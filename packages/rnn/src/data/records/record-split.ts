import { randomPurposes } from '@unfold/kernels';
import { createPermutation } from './permutation.ts';

/** No epoch has this number, so that the split shares no number with an epoch's order. */
const splitStep = 0xffffffff;

/**
 * Which records are held out: a seeded share of them, at least one and never all.
 * @param records of the whole file, at least 2 unless `fraction` is 0
 */
export const createSplit = (
  records: number,
  fraction: number,
  seed: number,
): { held: number; isHeld: (record: number) => boolean } => {
  if (fraction === 0) return { held: 0, isHeld: () => false };
  const held = Math.min(records - 1, Math.max(1, Math.round(records * fraction)));
  const place = createPermutation(records, { seed, purpose: randomPurposes.shuffling, step: splitStep });
  return { held, isHeld: (record) => place(record) < held };
};
