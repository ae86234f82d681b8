/**
 * Elementary functions written out, so that every engine can compute the same bits: additions, multiplications, divisions and powers of
 * two only, in the order below, in double precision. The error bounds are those of the tests. NaN in, NaN out.
 */

/** ln 2 in two parts: the first has zeros in its last 21 bits, so that n · ln2High is exact (Cody and Waite; constants as in fdlibm). */
const ln2High = 0.6931471803691238;
const ln2Low = 1.9082149292705877e-10;

/** powersOfTwo[n + 538] = 2ⁿ for −538 ≤ n ≤ 512: half of any exponent that occurs. */
const powersOfTwo = Float64Array.from({ length: 1051 }, (_, index) => 2 ** (index - 538));

/**
 * (eʳ − 1 − r) for |r| ≤ ln 2 / 2: Taylor's series to r¹³, truncation error below 5e-18, by Estrin's scheme, whose short chains of
 * dependent operations keep a processor busy.
 */
function exponentialTail(r: number): number {
  const r2 = r * r;
  const r4 = r2 * r2;
  const low = 0.5 + r * (1 / 6) + r2 * (1 / 24 + r * (1 / 120));
  const middle = 1 / 720 + r * (1 / 5040) + r2 * (1 / 40320 + r * (1 / 362880));
  const high = 1 / 3628800 + r * (1 / 39916800) + r2 * (1 / 479001600 + r * (1 / 6227020800));
  return r2 * (low + r4 * (middle + r4 * high));
}

/** eˣ, relative error below 3e-16; gradual underflow below −708, 0 below −745.2, Infinity above 709.8. */
export function exponential(x: number): number {
  if (!(x > -745.2)) return Number.isNaN(x) ? x : 0;
  if (x > 709.8) return Number.POSITIVE_INFINITY;
  const n = Math.floor(x * Math.LOG2E + 0.5);
  const r = x - n * ln2High - n * ln2Low;
  const half = n >> 1;
  return (1 + (r + exponentialTail(r))) * powersOfTwo[half + 538]! * powersOfTwo[n - half + 538]!;
}

/** The logistic function 1 / (1 + e⁻ˣ), relative error below 5e-16. */
export function sigmoid(x: number): number {
  return 1 / (1 + exponential(-x));
}

/** tanh x = −m / (2 + m) with m = e^(−2|x|) − 1, relative error below 1e-15 also near 0, since m is formed without cancellation. */
export function hyperbolicTangent(x: number): number {
  const y = x < 0 ? 2 * x : -2 * x;
  // Beyond this e^y is lost beside 1. The comparison is false for NaN, which must not reach the table.
  if (!(y > -40)) return Number.isNaN(x) ? x : x < 0 ? -1 : 1;
  const n = Math.floor(y * Math.LOG2E + 0.5);
  const r = y - n * ln2High - n * ln2Low;
  const power = powersOfTwo[n + 538]!;
  const m = power * (r + exponentialTail(r)) + (power - 1);
  const t = -m / (2 + m);
  return x < 0 ? -t : t;
}

const bits = new Float64Array(1);
const words = new Uint32Array(bits.buffer);
/** Which half of a double holds the exponent on this machine. */
const high = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1 ? 1 : 0;

/** ln x = e ln 2 + 2 artanh((m − 1) / (m + 1)) with x = m 2ᵉ, √½ ≤ m < √2; relative error below 4e-16. −Infinity at 0, NaN below. */
export function logarithm(x: number): number {
  if (!(x > 0)) return x === 0 ? Number.NEGATIVE_INFINITY : Number.NaN;
  if (x === Number.POSITIVE_INFINITY) return x;
  let e = 0;
  if (x < 2.2250738585072014e-308) {
    x *= 18014398509481984;
    e = -54;
  }
  bits[0] = x;
  e += (words[high]! >>> 20) - 1023;
  words[high] = (words[high]! & 0xfffff) | 0x3ff00000;
  let m = bits[0]!;
  if (m > Math.SQRT2) {
    m *= 0.5;
    e++;
  }
  const s = (m - 1) / (m + 1);
  const z = s * s;
  let sum = 1 / 23;
  for (let odd = 21; odd >= 3; odd -= 2) sum = sum * z + 1 / odd;
  return e * ln2High + (2 * s + (2 * s * z * sum + e * ln2Low));
}

/** baseⁿ for a whole n ≥ 0, by squaring. */
export function wholePower(base: number, n: number): number {
  let result = 1;
  let square = base;
  for (let rest = n; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) result *= square;
    square *= square;
  }
  return result;
}
