import { logarithm } from './elementary.ts';

/**
 * Random numbers as a pure function of where they are used: Philox4x32-10 (Salmon, Moraes, Dror and Shaw, "Parallel random
 * numbers: as easy as 1, 2, 3", 2011). Nothing has to be stored in a checkpoint and no order of evaluation can change a draw.
 */

/** What a stream is for; two purposes never share a number. Stable: checkpoints and models depend on them. */
export const randomPurposes = {
  initialization: 1,
  dropout: 2,
  sampling: 3,
  evaluation: 4,
  shuffling: 5,
  diagnostics: 6,
  zoneoutHidden: 7,
  zoneoutCell: 8,
  recurrentDropout: 9,
  teacherForcing: 10,
} as const;

/** The place of a draw. `seed`, `step`, `sequence` and `t` are 32 bits wide, `purpose` and `layer` 16 bits. */
export interface RandomAddress {
  readonly seed: number;
  readonly purpose: number;
  readonly step?: number;
  readonly layer?: number;
  readonly sequence?: number;
  readonly t?: number;
}

/** High 32 bits of the product of two unsigned 32-bit numbers. Each partial sum fits in 32 unsigned bits. */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = (Math.imul(aHigh, bLow) + (Math.imul(aLow, bLow) >>> 16)) >>> 0;
  const carry = (Math.imul(aLow, bHigh) + (middle & 0xffff)) >>> 0;
  return (Math.imul(aHigh, bHigh) + (middle >>> 16) + (carry >>> 16)) >>> 0;
}

/**
 * Ten rounds of Philox4x32: four words of counter and two of key to four words in `out`. Word order is that of Random123.
 * All words are unsigned 32-bit integers.
 */
export function philox4x32(
  c0: number,
  c1: number,
  c2: number,
  c3: number,
  k0: number,
  k1: number,
  out: Uint32Array,
): void {
  let x0 = c0 >>> 0;
  let x1 = c1 >>> 0;
  let x2 = c2 >>> 0;
  let x3 = c3 >>> 0;
  let key0 = k0 >>> 0;
  let key1 = k1 >>> 0;
  for (let round = 0; round < 10; round++) {
    const high0 = multiplyHigh(0xd2511f53, x0);
    const low0 = Math.imul(0xd2511f53, x0) >>> 0;
    const high1 = multiplyHigh(0xcd9e8d57, x2);
    const low1 = Math.imul(0xcd9e8d57, x2) >>> 0;
    x0 = (high1 ^ x1 ^ key0) >>> 0;
    x1 = low1;
    x2 = (high0 ^ x3 ^ key1) >>> 0;
    x3 = low0;
    key0 = (key0 + 0x9e3779b9) >>> 0;
    key1 = (key1 + 0xbb67ae85) >>> 0;
  }
  out[0] = x0;
  out[1] = x1;
  out[2] = x2;
  out[3] = x3;
}

/** The second key word of an address: `purpose` above, `layer` below. */
export function purposeWord(purpose: number, layer: number): number {
  return ((purpose << 16) | (layer & 0xffff)) >>> 0;
}

/** Draws from one address, one after another; the n-th word is word n mod 4 of the block whose last counter word is ⌊n / 4⌋. */
export interface RandomStream {
  /** Uniform on 0 … 2³² − 1. */
  word(): number;
  /** Uniform on [0, 1) with 53 bits, from two words. */
  uniform(): number;
  /** Standard normal, from one word: its quantile function at a uniform draw in (0, 1), see `inverseNormal`; at most 6.4 in magnitude. */
  normal(): number;
  /** Uniform on 0 … bound − 1 without bias, 1 ≤ bound ≤ 2³². */
  below(bound: number): number;
}

/** A stream that starts at `address`; two streams of one address give the same numbers. */
export function createRandomStream(address: RandomAddress): RandomStream {
  const { seed, purpose, step = 0, layer = 0, sequence = 0, t = 0 } = address;
  const key1 = purposeWord(purpose, layer);
  const block = new Uint32Array(4);
  let position = 0;

  function word(): number {
    const place = position & 3;
    if (place === 0) philox4x32(step, sequence, t, Math.floor(position / 4), seed, key1, block);
    position++;
    return block[place]!;
  }
  function uniform(): number {
    const high = word() >>> 5;
    const low = word() >>> 6;
    return (high * 67108864 + low) / 9007199254740992;
  }
  function normal(): number {
    // The middle of one of 2³² cells, so that neither 0 nor 1 is ever asked of the inverse.
    return inverseNormal((word() + 0.5) / 4294967296);
  }
  function below(bound: number): number {
    const limit = 4294967296 - (4294967296 % bound);
    let draw = word();
    while (draw >= limit) draw = word();
    return draw % bound;
  }
  return { word, uniform, normal, below };
}

const block = new Uint32Array(4);

/** The first `uniform` of the stream that starts at `address`, without making one. */
export function uniformAt({
  seed,
  purpose,
  step = 0,
  layer = 0,
  sequence = 0,
  t = 0,
}: RandomAddress): number {
  philox4x32(step, sequence, t, 0, seed, purposeWord(purpose, layer), block);
  return ((block[0]! >>> 5) * 67108864 + (block[1]! >>> 6)) / 9007199254740992;
}

// Highest power first, from the paper.
const centralNumerator = [
  2509.0809287301227, 33430.57558358813, 67265.7709270087, 45921.95393154987, 13731.69376550946,
  1971.5909503065513, 133.14166789178438, 3.3871328727963665,
];
const centralDenominator = [
  5226.495278852854, 28729.085735721943, 39307.89580009271, 21213.794301586597, 5394.196021424751,
  687.1870074920579, 42.31333070160091, 1.0,
];
const middleNumerator = [
  0.0007745450142783414, 0.022723844989269184, 0.2417807251774506, 1.2704582524523684, 3.6478483247632045,
  5.769497221460691, 4.630337846156546, 1.4234371107496835,
];
const middleDenominator = [
  1.0507500716444169e-9, 0.0005475938084995345, 0.015198666563616457, 0.14810397642748008, 0.6897673349851,
  1.6763848301838038, 2.053191626637759, 1.0,
];
const tailNumerator = [
  2.0103343992922881e-7, 2.7115555687434876e-5, 0.0012426609473880784, 0.026532189526576124,
  0.29656057182850487, 1.7848265399172913, 5.463784911164114, 6.657904643501103,
];
const tailDenominator = [
  2.0442631033899397e-15, 1.421511758316446e-7, 1.8463183175100548e-5, 0.0007868691311456133,
  0.014875361290850615, 0.1369298809227358, 0.599832206555888, 1.0,
];

function polynomial(x: number, coefficients: readonly number[]): number {
  let sum = 0;
  for (const coefficient of coefficients) sum = sum * x + coefficient;
  return sum;
}

/**
 * The standard normal's quantile function: algorithm AS 241, PPND16 (Wichura, Applied Statistics 37, 1988), relative error about
 * 1e-16. `p` in (0, 1).
 */
export function inverseNormal(p: number): number {
  const q = p - 0.5;
  if (Math.abs(q) <= 0.425) {
    const r = 0.180625 - q * q;
    return (q * polynomial(r, centralNumerator)) / polynomial(r, centralDenominator);
  }
  const r = Math.sqrt(-logarithm(q < 0 ? p : 1 - p));
  const x =
    r <= 5
      ? polynomial(r - 1.6, middleNumerator) / polynomial(r - 1.6, middleDenominator)
      : polynomial(r - 5, tailNumerator) / polynomial(r - 5, tailDenominator);
  return q < 0 ? -x : x;
}
