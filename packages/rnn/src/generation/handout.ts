/**
 * Which chunks of a call were given out and which its reader took. As many may be given out as it gave room for, and a session must not
 * stand beyond what it took.
 */
export class Handout {
  #credit: number;
  #given = 0;
  #taken = 0;
  /** How many drawn tokens the reader of a session has with each chunk that it may not have taken yet. */
  readonly #returnedAt: number[] = [];
  #returned: number | null = null;
  /** Told once the reader took everything. */
  #allTaken: (() => void) | null = null;

  /** @param credit chunks that may be given out before the reader gives room; infinite: it is not asked what it took */
  constructor(credit: number) {
    this.#credit = credit;
  }

  get hasRoom(): boolean {
    return this.#credit > 0;
  }

  /** Chunks so far. */
  get given(): number {
    return this.#given;
  }

  /** Drawn tokens that the reader has with the last chunk that it took; null: nothing yet, or of no session. */
  get returned(): number | null {
    return this.#returned;
  }

  /** A chunk goes out. @param returned of a session: drawn tokens that its reader has with it; else null */
  give(returned: number | null): void {
    this.#credit--;
    this.#given++;
    if (returned !== null) this.#returnedAt.push(returned);
  }

  /** The reader took so many more and gave room for as many. */
  takeMore(chunks: number): void {
    this.#credit += chunks;
    this.take(this.#taken + chunks);
  }

  /** The reader took so many in all. */
  take(taken: number): void {
    this.#returned = this.#returnedAt.splice(0, taken - this.#taken).at(-1) ?? this.#returned;
    this.#taken = Math.max(this.#taken, taken);
    if (this.#taken >= this.#given) this.#allTaken?.();
  }

  /** Resolves once the reader took everything, at once if it is not asked. */
  async untilTaken(): Promise<void> {
    if (this.#taken < this.#given && Number.isFinite(this.#credit))
      await new Promise<void>((resolve) => (this.#allTaken = resolve));
  }
}
