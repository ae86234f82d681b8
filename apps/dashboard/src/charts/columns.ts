/** Numbers that only grow at their end or are cut there, in one array that doubles when it is full. */
export class Column {
  #values = new Float64Array(256);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** The numbers as they are now: a view that the next `push` may leave behind. */
  get values(): Float64Array {
    return this.#values.subarray(0, this.#length);
  }

  at(place: number): number {
    return this.#values[place]!;
  }

  set(place: number, value: number): void {
    this.#values[place] = value;
  }

  push(value: number): void {
    if (this.#length === this.#values.length) {
      const larger = new Float64Array(2 * this.#length);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values[this.#length] = value;
    this.#length += 1;
  }

  cut(length: number): void {
    this.#length = Math.min(this.#length, length);
  }
}

/** The first place whose value is not below `value`, of ascending numbers; their count when there is none. */
export const lowerBound = (values: ArrayLike<number>, value: number): number => {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
};
