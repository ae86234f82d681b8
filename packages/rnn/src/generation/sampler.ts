export interface SamplingOptions {
  /** 0 takes the likeliest token; ties go to the lowest id. */
  temperature: number;
  /** Sample only among the k likeliest; null: all. */
  top_k: number | null;
  /** Sample only among the fewest likeliest tokens whose probabilities sum to at least this much (Holtzman et al. 2020). */
  top_p: number;
}

/** A token drawn from a distribution, with its log-probability under the model itself (temperature 1, nothing cut off). */
export interface Choice {
  token: number;
  log_probability: number;
}

/** The token with the highest logit; of equal ones the lowest id. @param excluded a token that is passed over */
export const likeliest = (logits: ArrayLike<number>, excluded: number | null): number => {
  let best = -1;
  for (let v = 0; v < logits.length; v++)
    if (v !== excluded && (best < 0 || logits[v]! > logits[best]!)) best = v;
  return best;
};

const sumOf = (values: readonly number[]): number => {
  let sum = 0;
  for (let k = 0; k < values.length; k++) sum += values[k]!;
  return sum;
};

const logSum = (logits: ArrayLike<number>): number => {
  let max = -Infinity;
  for (let v = 0; v < logits.length; v++) max = Math.max(max, logits[v]!);
  let sum = 0;
  for (let v = 0; v < logits.length; v++) sum += Math.exp(logits[v]! - max);
  return max + Math.log(sum);
};

/**
 * The distribution that is sampled: temperature first, then top-k, then top-p over what is left, as OpenAI and Hugging Face do it.
 * @param excluded a token that is never drawn
 * @returns candidates and their unnormalised weights, likeliest first if anything was cut off, else in the order of ids
 */
export const candidates = (
  logits: ArrayLike<number>,
  { temperature, top_k, top_p }: SamplingOptions,
  excluded: number | null,
): { tokens: number[]; weights: number[] } => {
  const top = logits[likeliest(logits, excluded)]!;
  // Plain arrays and loops: every token of every stream passes here, and typed arrays with `from` and `reduce` cost more than a small model.
  const tokens: number[] = [];
  for (let v = 0; v < logits.length; v++) if (v !== excluded) tokens.push(v);
  const cutsByRank = top_k !== null && top_k < tokens.length;
  if (cutsByRank || top_p < 1) tokens.sort((a, b) => logits[b]! - logits[a]! || a - b);
  if (cutsByRank) tokens.length = top_k;
  const weights: number[] = [];
  for (let k = 0; k < tokens.length; k++) weights.push(Math.exp((logits[tokens[k]!]! - top) / temperature));
  if (top_p < 1) {
    const total = sumOf(weights);
    let kept = 0;
    for (let sum = 0; kept < weights.length && sum < top_p * total; kept++) sum += weights[kept]!;
    tokens.length = weights.length = Math.min(weights.length, Math.max(1, kept));
  }
  return { tokens, weights };
};

/**
 * Draws one token.
 * @param logits of one step, [V]
 * @param uniform a draw from [0, 1)
 * @param excluded a token that is never drawn: `<unk>`
 */
export const sampleToken = (
  logits: ArrayLike<number>,
  options: SamplingOptions,
  uniform: number,
  excluded: number | null,
): Choice => {
  const chosen = (token: number): Choice => ({ token, log_probability: logits[token]! - logSum(logits) });
  if (options.temperature === 0) return chosen(likeliest(logits, excluded));
  const { tokens, weights } = candidates(logits, options, excluded);
  let remaining = uniform * sumOf(weights);
  for (let k = 0; k < tokens.length; k++) {
    remaining -= weights[k]!;
    if (remaining < 0) return chosen(tokens[k]!);
  }
  // Rounding can leave a remainder beyond the last weight: the last candidate that can be drawn at all takes it.
  let last = tokens.length - 1;
  while (last > 0 && weights[last] === 0) last--;
  return chosen(tokens[last]!);
};
