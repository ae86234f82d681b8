import { type Chunks, type CompletionChunk, type CompletionResult, creditWindow } from './protocol.ts';

type Step = IteratorResult<CompletionChunk, CompletionResult>;

/** Chunks between a thread and a reader; never more than the thread's credit. */
export interface ChunkQueue extends Pick<Chunks, 'next'> {
  push(chunk: CompletionChunk): void;
  end(result: CompletionResult): void;
  /** Nobody takes what waits or comes: next is the end. */
  drop(): void;
  fail(error: Error): void;
  /** Chunks that were taken in all. */
  readonly taken: number;
}

export const createChunkQueue = (giveCredit: (chunks: number) => void): ChunkQueue => {
  const waiting: CompletionChunk[] = [];
  let taken = 0;
  /** Of these, those that no credit was given for. */
  let owed = 0;
  let dropped = false;
  let over: { result: CompletionResult } | { error: Error } | null = null;
  let reader: { resolve(step: Step): void; reject(error: Error): void } | null = null;

  const take = (chunk: CompletionChunk): Step => {
    taken += 1;
    owed += 1;
    // The thread keeps a session's states until its reader has the end.
    if ((owed === creditWindow / 2 || chunk.finish_reason !== null) && over === null) {
      giveCredit(owed);
      owed = 0;
    }
    return { done: false, value: chunk };
  };

  const finish = (end: NonNullable<typeof over>): void => {
    over ??= end;
    if (reader === null) return;
    if ('error' in over) reader.reject(over.error);
    else reader.resolve({ done: true, value: over.result });
    reader = null;
  };

  return {
    push(chunk) {
      if (dropped) return;
      if (reader === null) waiting.push(chunk);
      else {
        const { resolve } = reader;
        reader = null;
        resolve(take(chunk));
      }
    },
    end: (result) => finish({ result }),
    drop() {
      waiting.length = 0;
      dropped = true;
    },
    fail: (error) => finish({ error }),
    // Not an async function: every token passes here, and each turn of a promise costs.
    next() {
      const chunk = waiting.shift();
      if (chunk !== undefined) return Promise.resolve(take(chunk));
      if (over === null)
        return new Promise((resolve, reject) => {
          reader = { resolve, reject };
        });
      return 'error' in over
        ? Promise.reject(over.error)
        : Promise.resolve({ done: true, value: over.result });
    },
    get taken() {
      return taken;
    },
  };
};
