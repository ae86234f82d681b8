/** x becomes (x − mean) / deviation, column by column. */
export interface Normalization {
  mean: number[];
  deviation: number[];
}

/** Mean and population standard deviation of vectors that come one by one (Welford 1962); a constant column keeps a deviation of 1. */
export class NormalizationBuilder {
  #count = 0;
  #mean: Float64Array;
  #squares: Float64Array;

  constructor(width: number) {
    this.#mean = new Float64Array(width);
    this.#squares = new Float64Array(width);
  }

  /** @param values at least `at` + width numbers */
  push(values: Float64Array, at = 0): void {
    this.#count++;
    for (let k = 0; k < this.#mean.length; k++) {
      const value = values[at + k]!;
      const before = value - this.#mean[k]!;
      this.#mean[k]! += before / this.#count;
      this.#squares[k]! += before * (value - this.#mean[k]!);
    }
  }

  finish(): Normalization {
    return {
      mean: [...this.#mean],
      deviation: Array.from(this.#squares, (sum) => Math.sqrt(sum / Math.max(1, this.#count)) || 1),
    };
  }
}

/** Normalizes rows of one width, in double, into `output`. */
export const normalizeInto = (
  values: Float64Array,
  normalization: Normalization | null,
  output: Float32Array,
): void => {
  if (normalization === null) {
    output.set(values);
    return;
  }
  const { mean, deviation } = normalization;
  for (let at = 0; at < values.length; at += mean.length)
    for (let k = 0; k < mean.length; k++) output[at + k] = (values[at + k]! - mean[k]!) / deviation[k]!;
};

/** Back to the numbers of the file. */
export const denormalize = (values: ArrayLike<number>, normalization: Normalization | null): number[] =>
  Array.from(values, (value, at) => {
    if (normalization === null) return value;
    const k = at % normalization.mean.length;
    return value * normalization.deviation[k]! + normalization.mean[k]!;
  });
