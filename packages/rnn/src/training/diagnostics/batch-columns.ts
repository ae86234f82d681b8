import type { HostBatch } from '../../data/feed.ts';

/** Steps 0 … steps − 1 of the sequences first … first + count − 1 of a batch, as a batch; lengths stay what they are. */
export const columnsOf = (
  batch: HostBatch,
  { sequences, first, count, steps }: { sequences: number; first: number; count: number; steps: number },
): HostBatch => {
  const cut = <A extends Int32Array | Float32Array>(values: A, from: number, to: number): A => {
    const width = values.length / (from * sequences);
    const part = new (values.constructor as new (size: number) => A)(to * count * width);
    for (let t = 0; t < to; t++) {
      const at = (t * sequences + first) * width;
      part.set(values.subarray(at, at + count * width) as never, t * count * width);
    }
    return part;
  };
  const byStep = <A extends Int32Array | Float32Array>(values: A): A => cut(values, batch.steps, steps);
  const whole = <A extends Int32Array | Float32Array>(values: A | null): A | null =>
    values && cut(values, 1, 1);
  const label = batch.targets instanceof Int32Array && batch.targets.length === sequences && batch.steps > 1;
  return {
    ...batch,
    steps,
    lengths: whole(batch.lengths),
    sequences: whole(batch.sequences),
    inputs: byStep(batch.inputs),
    targets: label ? whole(batch.targets)! : byStep(batch.targets),
    mask: batch.mask && byStep(batch.mask),
    context: whole(batch.context),
  };
};

/** Steps of a row up to its last one that has a target, at most so many; 0: there is none. Where a sequence has one output, all of them. */
export const lastTarget = (
  { lengths, mask, targets, steps }: HostBatch,
  { sequences, row, most }: { sequences: number; row: number; most: number },
): number => {
  let last = Math.min(lengths ? lengths[row]! : steps, most);
  if (targets instanceof Int32Array && targets.length === sequences) return last;
  const has = (t: number): boolean => {
    const at = t * sequences + row;
    return mask ? mask[at] === 1 : targets[at]! >= 0;
  };
  while (last > 0 && !has(last - 1)) last--;
  return last;
};
