import type { Found } from './beam-completion.ts';
import type { ChoiceGroup, Prefix } from './choice-group.ts';
import { type ChoiceText, nothingShown } from './choice-text.ts';

/**
 * Tells a group the `n` best texts that a beam found.
 * @param createText for each of them
 * @returns tokens of all of them
 */
export const tellFound = (
  found: readonly Found[],
  group: ChoiceGroup,
  n: number,
  createText: () => ChoiceText,
  prefix: Prefix,
): number => {
  let tokens = 0;
  for (let k = 0; k < n; k++) {
    // A small vocabulary may have fewer texts than were asked for: the least likely one stands for those that are missing.
    const { scores, finish_reason } = found[Math.min(k, found.length - 1)]!;
    const text = createText();
    group.begin(k, prefix);
    scores.forEach((score, t) => {
      const last = t + 1 === scores.length;
      const piece = text.push(score.token, score, last ? 'flush' : null);
      group.tell(k, piece, score.token, 0, last ? finish_reason : null, 0);
    });
    if (scores.length === 0) group.tell(k, nothingShown, null, 0, finish_reason, 0);
    tokens += scores.length;
  }
  return tokens;
};
