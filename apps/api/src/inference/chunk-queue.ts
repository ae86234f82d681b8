import { type CompletionChunk, type CompletionResult, creditWindow } from './protocol.ts';

type Step<Result> = IteratorResult<CompletionChunk, Result>;

interface Options {
  /** Lets the thread send so many more. */
  giveCredit(chunks: number): void;
  /** Whether the thread waits for the reader to have the end of each choice: it keeps a session's states until then. */
  tellsEnds: boolean;
}

/**
 * Chunks between a thread and a reader, never more than the thread's credit, and then the result. A class, since every request makes one, and
 * its functions would be most of what a short one takes.
 */
export class ChunkQueue<Result = CompletionResult> {
  readonly #options: Options;
  readonly #waiting: CompletionChunk[] = [];
  #taken = 0;
  /** Of these, those that no credit was given for. */
  #owed = 0;
  #dropped = false;
  #over: { result: Result } | { error: Error } | null = null;
  #reader: { resolve(step: Step<Result>): void; reject(error: Error): void } | null = null;

  constructor(options: Options) {
    this.#options = options;
  }

  /** Chunks that were taken in all. */
  get taken(): number {
    return this.#taken;
  }

  push(chunk: CompletionChunk): void {
    if (this.#dropped) return;
    const reader = this.#reader;
    if (reader === null) this.#waiting.push(chunk);
    else {
      this.#reader = null;
      reader.resolve(this.#take(chunk));
    }
  }

  end(result: Result): void {
    this.#finish({ result });
  }

  fail(error: Error): void {
    this.#finish({ error });
  }

  /** Nobody takes what waits or comes: next is the end. */
  drop(): void {
    this.#waiting.length = 0;
    this.#dropped = true;
  }

  /** Not an async function: every token passes here, and each turn of a promise costs. */
  next(): Promise<Step<Result>> {
    const chunk = this.#waiting.shift();
    if (chunk !== undefined) return Promise.resolve(this.#take(chunk));
    const over = this.#over;
    if (over === null)
      return new Promise((resolve, reject) => {
        this.#reader = { resolve, reject };
      });
    return 'error' in over ? Promise.reject(over.error) : Promise.resolve({ done: true, value: over.result });
  }

  #take(chunk: CompletionChunk): Step<Result> {
    this.#taken += 1;
    this.#owed += 1;
    const { giveCredit, tellsEnds } = this.#options;
    if (
      (this.#owed === creditWindow / 2 || (tellsEnds && chunk.finish_reason !== null)) &&
      this.#over === null
    ) {
      giveCredit(this.#owed);
      this.#owed = 0;
    }
    return { done: false, value: chunk };
  }

  #finish(end: { result: Result } | { error: Error }): void {
    this.#over ??= end;
    const reader = this.#reader;
    if (reader === null) return;
    this.#reader = null;
    if ('error' in this.#over) reader.reject(this.#over.error);
    else reader.resolve({ done: true, value: this.#over.result });
  }
}
