import type { Feed } from '../data/feed.ts';

/**
 * Mean squared error, summed over the columns, of the forecast that every next value is the last one: what `validation_loss` must fall
 * below. Over the same targets, which are the input's next steps.
 * @param interrupted asked between batches; the answer is null once it says true
 */
export const naiveLoss = async (feed: Feed, interrupted: () => Promise<boolean>): Promise<number | null> => {
  let sum = 0;
  let count = 0;
  for (let batch = 0; batch < feed.batches; batch++) {
    if (await interrupted()) return null;
    const { inputs, targets, mask, count: present } = feed.load(0, batch);
    const width = targets.length / mask!.length;
    for (let k = 0; k < targets.length; k++)
      if (mask![Math.floor(k / width)] !== 0) sum += (targets[k]! - inputs[k]!) ** 2;
    count += present;
  }
  return sum / Math.max(1, count);
};
