import { type CompletionChunk, creditWindow } from './protocol.ts';

/** Chunks between a thread and a reader; never more than the thread's credit. */
export interface ChunkQueue {
  push(chunk: CompletionChunk): void;
  end(): void;
  /** Ends it at once: nobody takes what waits. */
  drop(): void;
  fail(error: Error): void;
  /** The next chunk, or null after the last. */
  next(): Promise<CompletionChunk | null>;
  /** Chunks that were taken in all. */
  readonly taken: number;
}

export const createChunkQueue = (giveCredit: (chunks: number) => void): ChunkQueue => {
  const waiting: CompletionChunk[] = [];
  let taken = 0;
  /** Of these, those that no credit was given for. */
  let owed = 0;
  let over: { error: Error | null } | null = null;
  let wake: (() => void) | null = null;

  const signal = (): void => {
    wake?.();
    wake = null;
  };

  return {
    push(chunk) {
      waiting.push(chunk);
      signal();
    },
    end() {
      over ??= { error: null };
      signal();
    },
    drop() {
      waiting.length = 0;
      over ??= { error: null };
      signal();
    },
    fail(error) {
      over ??= { error };
      signal();
    },
    async next() {
      for (;;) {
        const chunk = waiting.shift();
        if (chunk !== undefined) {
          taken += 1;
          owed += 1;
          // The thread keeps a session's states until its reader has the end.
          if ((owed === creditWindow / 2 || chunk.finish_reason !== null) && over === null) {
            giveCredit(owed);
            owed = 0;
          }
          return chunk;
        }
        if (over?.error) throw over.error;
        if (over) return null;
        await new Promise<void>((resolve) => (wake = resolve));
      }
    },
    get taken() {
      return taken;
    },
  };
};
