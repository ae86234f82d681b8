import { UnfoldError } from '@unfold/contracts/values';
import { unknownToken } from '../../text/tokenizer.ts';
import { byCodePoint, byFrequency } from '../../text/vocabulary-builder.ts';
import { dataLimits } from './data-limits.ts';

/** Tokens that stand for themselves: labels, and the entries of lists. `tokens[i]` is row i. */
export interface TokenList {
  readonly tokens: readonly string[];
  /** Row of `<unk>`, or null. */
  readonly unknown: number | null;
  /** The row of a token; `unknown`, or −1 where there is none, for one that is not in the list. */
  idOf(token: string): number;
}

export const createTokenList = (tokens: readonly string[]): TokenList => {
  const ids = new Map(tokens.map((token, id) => [token, id]));
  const unknown = ids.get(unknownToken) ?? null;
  return { tokens, unknown, idOf: (token) => ids.get(token) ?? unknown ?? -1 };
};

/** Counts tokens; more than a vocabulary can have are refused rather than counted without bound. */
export class TokenListBuilder {
  #counts = new Map<string, number>();
  #what: string;

  /** @param what how errors call the tokens, "labels" */
  constructor(what: string) {
    this.#what = what;
  }

  push(token: string): void {
    this.#counts.set(token, (this.#counts.get(token) ?? 0) + 1);
    if (this.#counts.size > dataLimits.labels)
      throw new UnfoldError(
        'limit_exceeded',
        `file: expected at most ${dataLimits.labels} distinct ${this.#what}, but there are more.`,
        { param: 'file' },
      );
  }

  /** Every token, sorted by code point. */
  finish(): string[] {
    return [...this.#counts.keys()].sort(byCodePoint);
  }

  /** `<unk>`, then the most frequent ones sorted by code point; `limit` counts `<unk>` too. */
  finishOpen(limit: number | null): string[] {
    this.#counts.delete(unknownToken);
    const kept = [...this.#counts]
      .sort(byFrequency)
      .slice(0, limit === null ? undefined : limit - 1)
      .map(([token]) => token);
    return [unknownToken, ...kept.sort(byCodePoint)];
  }
}
