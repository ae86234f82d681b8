/** The class of a token that was written with ln P: how surprising it was, in five steps. */
export const surpriseTint = (logprob: number | null): string => {
  if (logprob === null) return '';
  const level = [0.5, 0.2, 0.05, 0.01].filter((share) => Math.exp(logprob) < share).length;
  return level === 0 ? '' : `unlikely-${level}`;
};

/** The class of a unit's value, in quarters from −1 to 1. */
export const unitTint = (value: number): string => {
  const level = Math.max(-4, Math.min(4, Math.round(4 * value)));
  return level === 0 ? '' : level < 0 ? `unit-low-${-level}` : `unit-high-${level}`;
};
