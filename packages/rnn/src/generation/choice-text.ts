import type { Tokenizer } from '../text/tokenizer.ts';
import { createStopFilter } from './stop-filter.ts';
import { cleanText } from './text-stream.ts';

/** A token of a choice with how likely it was. */
export interface TokenScore {
  token: number;
  /** In nats; null: nothing came before it. */
  log_probability: number | null;
  /** The likeliest tokens there, and the token itself, by their log-probability. */
  alternatives: { token: number; log_probability: number }[] | null;
}

/** Log-probabilities of a choice's text, as OpenAI lays them out; `text_offset` counts UTF-16 units from the start of that text. */
export interface Logprobs {
  tokens: string[];
  token_logprobs: (number | null)[];
  top_logprobs: (Record<string, number> | null)[];
  text_offset: number[];
}

export const noLogprobs = (): Logprobs => ({
  tokens: [],
  token_logprobs: [],
  top_logprobs: [],
  text_offset: [],
});

export const appendLogprobs = (to: Logprobs, more: Logprobs): void => {
  // One by one: the scores of a long prompt are more than a call takes as arguments.
  for (const name of ['tokens', 'token_logprobs', 'top_logprobs', 'text_offset'] as const)
    for (const entry of more[name]) (to[name] as unknown[]).push(entry);
};

/** Adds a token to the lists. */
export const pushScore = (
  to: Logprobs,
  tokenizer: Pick<Tokenizer, 'tokens'>,
  { token, log_probability, alternatives }: TokenScore,
  offset: number,
): void => {
  const nameOf = (id: number): string => cleanText(tokenizer.tokens[id]!);
  to.tokens.push(nameOf(token));
  to.token_logprobs.push(log_probability);
  to.top_logprobs.push(
    alternatives &&
      Object.fromEntries(alternatives.map((each) => [nameOf(each.token), each.log_probability])),
  );
  to.text_offset.push(offset);
};

/** What a token made certain. */
export interface Shown {
  text: string;
  /** Whether a stop string was completed: nothing more is shown. */
  stopped: boolean;
  /** Scores of tokens whose text is now shown to its end, and of all that are left where nothing follows; null: not wanted. */
  logprobs: Logprobs | null;
}

export const nothingShown: Shown = { text: '', stopped: false, logprobs: null };

interface Held {
  score: TokenScore | null;
  start: number;
  /** Where its text ends; null: bytes of a character are still missing. */
  end: number | null;
}

/**
 * The text of a choice as its tokens come: nothing of a stop string is ever shown, and no part of a character. Tokens count as returned once
 * all of their text is shown.
 */
export class ChoiceText {
  readonly #tokenizer: Tokenizer;
  readonly #decoder: ReturnType<Tokenizer['decoder']>;
  readonly #filter: ReturnType<typeof createStopFilter>;
  readonly #withScores: boolean;
  /** Whether what was decoded is shown at once: no stop string may hide it, and no score comes with it. */
  readonly #plain: boolean;
  /** UTF-16 units that were decoded, and that were shown. */
  #decoded: number;
  #shown: number;
  readonly #held: Held[] = [];
  /** Ids at the end whose character is not complete, those that came before included. */
  #open: readonly number[];
  /** Tokens all of whose text is shown. */
  returned = 0;

  /**
   * @param offset of the text, where something stands before it
   * @param open ids at the end of what came before, whose character is not complete
   */
  constructor(
    tokenizer: Tokenizer,
    stops: readonly string[],
    { withScores = false, offset = 0, open = [] as readonly number[] } = {},
  ) {
    this.#tokenizer = tokenizer;
    this.#decoder = tokenizer.decoder();
    this.#filter = createStopFilter(stops);
    this.#withScores = withScores;
    this.#plain = stops.length === 0 && !withScores;
    this.#decoded = this.#shown = offset;
    this.#open = open;
    for (const id of open) this.#decoder.push(id);
  }

  /**
   * @param last whether nothing follows: `flush` shows everything that is held back; `open` leaves out a character that is not complete,
   * since a session may go on with it, but not the scores of its tokens
   */
  push(id: number, score: TokenScore | null, last: 'flush' | 'open' | null): Shown {
    let piece = this.#decoder.push(id);
    if (last === null && piece !== '' && this.#plain && this.#held.length === 0 && this.#decoder.open === 0) {
      this.#open = [];
      this.#decoded = this.#shown += piece.length;
      this.returned++;
      return { text: cleanText(piece), stopped: false, logprobs: null };
    }
    if (last === 'flush') piece += this.#decoder.finish();
    const { open } = this.#decoder;
    this.#open = open === 0 ? [] : [...this.#open, id].slice(-open);
    // A byte that begins a character stands after what became of the bytes before it.
    const start = open === 1 ? this.#decoded + piece.length : this.#decoded;
    if (id !== this.#tokenizer.boundary) this.#held.push({ score, start, end: null });
    this.#decoded += piece.length;
    for (let k = this.#held.length - 1 - open; k >= 0 && this.#held[k]!.end === null; k--)
      this.#held[k]!.end = this.#decoded;
    return this.#show(piece, last !== null);
  }

  #show(piece: string, last: boolean): Shown {
    const passed = this.#filter.push(cleanText(piece));
    const text = last && !passed.stopped ? passed.text + this.#filter.finish() : passed.text;
    this.#shown += text.length;
    const logprobs = this.#withScores ? noLogprobs() : null;
    const all = last && !passed.stopped;
    while (this.#held.length > 0) {
      const { score, start, end } = this.#held[0]!;
      if (!all && (end === null || end > this.#shown)) break;
      this.#held.shift();
      this.returned++;
      if (logprobs && score) pushScore(logprobs, this.#tokenizer, score, start);
    }
    return { text, stopped: passed.stopped, logprobs };
  }

  /** Ids at the end of what was pushed, and of what came before, whose character is not complete. */
  get open(): readonly number[] {
    return this.#open;
  }
}
