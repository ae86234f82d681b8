/** A call whose inputs are rows of a queue: they end together. */
export class RowCall {
  /** Resolves once all rows have ended, or nobody waits for them any more. */
  readonly result: Promise<void>;
  #over = false;
  #left: number;
  #settle!: { resolve(): void; reject(error: unknown): void };

  /** @param signal once it aborts, nobody waits: the rows leave before the next turn */
  constructor(rows: number, signal?: AbortSignal) {
    this.#left = rows;
    this.result = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    if (rows === 0 || signal?.aborted) this.#end();
    else if (signal) {
      const end = (): void => this.#end();
      signal.addEventListener('abort', end);
      const forget = (): void => signal.removeEventListener('abort', end);
      this.result.then(forget, forget);
    }
  }

  /** Whether nobody wants anything of its rows any more. */
  get over(): boolean {
    return this.#over;
  }

  #end(): void {
    this.#over = true;
    this.#settle.resolve();
  }

  /** One of its rows has ended. */
  done(): void {
    if (--this.#left === 0) this.#end();
  }

  fail(error: unknown): void {
    this.#over = true;
    this.#settle.reject(error);
  }
}
