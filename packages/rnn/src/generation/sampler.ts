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

// Every token of every stream passes here, one at a time: room that is used again costs less than arrays that are made anew.
let order = new Int32Array(0);
let weights = new Float64Array(0);
let keys = new Float64Array(0);
const bits = new Float32Array(1);
const bitsAsInteger = new Int32Array(bits.buffer);

const makeRoom = (size: number): void => {
  if (order.length >= size) return;
  order = new Int32Array(size);
  weights = new Float64Array(size);
  keys = new Float64Array(size);
};

/** The token with the highest logit; of equal ones the lowest id. @param excluded a token that is passed over */
export const likeliest = (logits: ArrayLike<number>, excluded: number | null): number => {
  let best = -1;
  for (let v = 0; v < logits.length; v++)
    if (v !== excluded && (best < 0 || logits[v]! > logits[best]!)) best = v;
  return best;
};

const highest = (logits: ArrayLike<number>): number => {
  let max = -Infinity;
  for (let v = 0; v < logits.length; v++) max = Math.max(max, logits[v]!);
  return max;
};

/** log Σ exp. */
export const logSum = (logits: ArrayLike<number>): number => {
  const max = highest(logits);
  let sum = 0;
  for (let v = 0; v < logits.length; v++) sum += Math.exp(logits[v]! - max);
  return max + Math.log(sum);
};

const idRange = 2 ** 21;

/** Sorts the first `count` of `order` by falling logit, then by id. */
const rank = (logits: ArrayLike<number>, count: number): void => {
  const tokens = order.subarray(0, count);
  if (!(logits instanceof Float32Array) || logits.length > idRange) {
    tokens.sort((a, b) => logits[b]! - logits[a]! || a - b);
    return;
  }
  // A number's bits, read as an integer, are in its order once those of negative ones are turned round: with the id behind them they sort
  // without a comparison that is called back.
  for (let k = 0; k < count; k++) {
    bits[0] = logits[tokens[k]!]! + 0;
    const integer = bitsAsInteger[0]!;
    const ordered = integer < 0 ? -2147483648 - integer : integer;
    keys[k] = -ordered * idRange + tokens[k]!;
  }
  keys.subarray(0, count).sort();
  for (let k = 0; k < count; k++) tokens[k] = ((keys[k]! % idRange) + idRange) % idRange;
};

const cuts = ({ top_k, top_p }: SamplingOptions, count: number): boolean =>
  top_p < 1 || (top_k !== null && top_k < count);

/**
 * Fills `order` and `weights` with the distribution that is sampled: temperature first, then top-k, then top-p over what is left, as OpenAI and
 * Hugging Face do it. Likeliest first if anything was cut off, else in the order of ids.
 * @returns how many candidates there are
 */
const fillCandidates = (
  logits: ArrayLike<number>,
  { temperature, top_k, top_p }: SamplingOptions,
  excluded: number | null,
): number => {
  makeRoom(logits.length);
  let count = 0;
  let top = -Infinity;
  for (let v = 0; v < logits.length; v++) {
    if (v === excluded) continue;
    order[count++] = v;
    if (logits[v]! > top) top = logits[v]!;
  }
  if (cuts({ temperature, top_k, top_p }, count)) rank(logits, count);
  if (top_k !== null) count = Math.min(count, top_k);
  for (let k = 0; k < count; k++) weights[k] = Math.exp((logits[order[k]!]! - top) / temperature);
  if (top_p < 1) {
    let total = 0;
    for (let k = 0; k < count; k++) total += weights[k]!;
    let kept = 0;
    for (let sum = 0; kept < count && sum < top_p * total; kept++) sum += weights[kept]!;
    count = Math.min(count, Math.max(1, kept));
  }
  return count;
};

/**
 * The distribution that is sampled.
 * @param excluded a token that is never drawn
 * @returns candidates and their unnormalised weights, likeliest first if anything was cut off, else in the order of ids
 */
export const candidates = (
  logits: ArrayLike<number>,
  options: SamplingOptions,
  excluded: number | null,
): { tokens: number[]; weights: number[] } => {
  const count = fillCandidates(logits, options, excluded);
  return { tokens: [...order.subarray(0, count)], weights: [...weights.subarray(0, count)] };
};

/**
 * Draws one token.
 * @param logits of one step, [V]
 * @param uniform a draw from [0, 1)
 * @param excluded a token that is never drawn: `<unk>`
 */
export const drawToken = (
  logits: ArrayLike<number>,
  options: SamplingOptions,
  uniform: number,
  excluded: number | null,
): number => {
  if (options.temperature === 0) return likeliest(logits, excluded);
  if (!cuts(options, logits.length)) return drawFromAll(logits, options.temperature, uniform, excluded);
  const count = fillCandidates(logits, options, excluded);
  let sum = 0;
  for (let k = 0; k < count; k++) sum += weights[k]!;
  return order[pick(uniform, sum, count)]!;
};

/** Where nothing is cut off: weights stand at their tokens' places, that of the excluded one being 0. */
const drawFromAll = (
  logits: ArrayLike<number>,
  temperature: number,
  uniform: number,
  excluded: number | null,
): number => {
  const V = logits.length;
  makeRoom(V);
  let top = -Infinity;
  for (let v = 0; v < V; v++) if (v !== excluded && logits[v]! > top) top = logits[v]!;
  for (let v = 0; v < V; v++) weights[v] = logits[v]! - top;
  if (temperature !== 1) for (let v = 0; v < V; v++) weights[v]! /= temperature;
  if (excluded !== null) weights[excluded] = Number.NEGATIVE_INFINITY;
  let sum = 0;
  for (let v = 0; v < V; v++) {
    const weight = Math.exp(weights[v]!);
    weights[v] = weight;
    sum += weight;
  }
  return pick(uniform, sum, V);
};

const pick = (uniform: number, sum: number, count: number): number => {
  let remaining = uniform * sum;
  for (let k = 0; k < count; k++) {
    remaining -= weights[k]!;
    if (remaining < 0) return k;
  }
  // Rounding can leave a remainder beyond the last weight: the last candidate that can be drawn at all takes it.
  let last = count - 1;
  while (last > 0 && weights[last] === 0) last--;
  return last;
};

/** `drawToken` with the log-probability of what was drawn. */
export const sampleToken = (
  logits: ArrayLike<number>,
  options: SamplingOptions,
  uniform: number,
  excluded: number | null,
): Choice => {
  if (options.temperature === 1 && !cuts(options, logits.length)) {
    const max = highest(logits);
    if (excluded === null || logits[excluded]! < max) return sampleAll(logits, max, uniform, excluded);
  }
  const token = drawToken(logits, options, uniform, excluded);
  return { token, log_probability: logits[token]! - logSum(logits) };
};

/** Ancestral sampling itself, where the weights also make the log-probability. @param max of the logits, not the excluded one's */
const sampleAll = (
  logits: ArrayLike<number>,
  max: number,
  uniform: number,
  excluded: number | null,
): Choice => {
  const V = logits.length;
  makeRoom(V);
  let all = 0;
  let sum = 0;
  for (let v = 0; v < V; v++) {
    const weight = Math.exp(logits[v]! - max);
    all += weight;
    weights[v] = v === excluded ? 0 : weight;
    sum += weights[v]!;
  }
  const token = pick(uniform, sum, V);
  return { token, log_probability: logits[token]! - (max + Math.log(all)) };
};

/** Ids of the `count` likeliest tokens, likeliest first; of equal ones the lowest id first. */
export const likeliestTokens = (logits: ArrayLike<number>, count: number): number[] => {
  const best: number[] = [];
  for (let v = 0; v < logits.length; v++) {
    if (best.length === count && !(logits[v]! > logits[best[count - 1]!]!)) continue;
    let place = best.length;
    while (place > 0 && logits[v]! > logits[best[place - 1]!]!) place--;
    best.splice(place, 0, v);
    if (best.length > count) best.pop();
  }
  return best;
};
