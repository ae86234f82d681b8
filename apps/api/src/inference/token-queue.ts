import { creditWindow, type GeneratedToken } from './protocol.ts';

/** Tokens between a thread and a reader; never more than the thread's credit. */
export interface TokenQueue {
  push(token: GeneratedToken): void;
  end(): void;
  fail(error: Error): void;
  /** The next token, or null after the last. */
  next(): Promise<GeneratedToken | null>;
}

export const createTokenQueue = (giveCredit: (tokens: number) => void): TokenQueue => {
  const waiting: GeneratedToken[] = [];
  let taken = 0;
  let over: { error: Error | null } | null = null;
  let wake: (() => void) | null = null;

  const signal = (): void => {
    wake?.();
    wake = null;
  };

  return {
    push(token) {
      waiting.push(token);
      signal();
    },
    end() {
      over ??= { error: null };
      signal();
    },
    fail(error) {
      over ??= { error };
      signal();
    },
    async next() {
      for (;;) {
        const token = waiting.shift();
        if (token !== undefined) {
          taken += 1;
          if (taken === creditWindow / 2 && over === null) {
            giveCredit(taken);
            taken = 0;
          }
          return token;
        }
        if (over?.error) throw over.error;
        if (over) return null;
        await new Promise<void>((resolve) => (wake = resolve));
      }
    },
  };
};
