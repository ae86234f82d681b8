import { appendLogprobs, type Logprobs, noLogprobs, type Shown } from './choice-text.ts';
import type { CompletionChunk } from './completion-options.ts';

/** What stands before a choice's own text: the prompt, where it is echoed. */
export interface Prefix {
  text: string;
  logprobs: Logprobs | null;
}

interface Choice extends Prefix {
  /** Until the first of it is told. */
  prefix: Prefix | null;
  finish_reason: 'stop' | 'length' | null;
  log_probability: number;
  drawn: number;
}

interface Options {
  /** Texts that are written, and how many of them are answered: the likeliest. */
  count: number;
  answered: number;
  /** Whether a choice is answered only once it has ended. */
  whole: boolean;
  withLogprobs: boolean;
  /** Index of the first choice. */
  first: number;
  /** @param returned drawn tokens that are shown to their end by then */
  send(chunk: CompletionChunk, returned: number): void;
}

/** The choices of one prompt: passes on what becomes certain, at once or when a choice has ended, or all of them. */
export class ChoiceGroup {
  readonly #options: Options;
  readonly #choices: Choice[];
  #left: number;

  constructor(options: Options) {
    this.#options = options;
    this.#left = options.count;
    this.#choices = Array.from({ length: options.count }, () => ({
      prefix: null,
      text: '',
      logprobs: options.withLogprobs ? noLogprobs() : null,
      finish_reason: null,
      log_probability: 0,
      drawn: 0,
    }));
  }

  /** What stands before a choice's text; it may still grow until the first of that is told. */
  begin(k: number, prefix: Prefix): void {
    this.#choices[k]!.prefix = prefix;
  }

  /**
   * @param token null: none was drawn
   * @param returned of choice k, drawn tokens that are shown to their end
   */
  tell(
    k: number,
    shown: Shown,
    token: number | null,
    log_probability: number,
    finish_reason: Choice['finish_reason'],
    returned: number,
  ): void {
    const { count, answered, whole, first } = this.#options;
    const choice = this.#choices[k]!;
    if (choice.prefix) {
      choice.text = choice.prefix.text;
      if (choice.logprobs && choice.prefix.logprobs) appendLogprobs(choice.logprobs, choice.prefix.logprobs);
      choice.prefix = null;
    }
    choice.text += shown.text;
    if (choice.logprobs && shown.logprobs) appendLogprobs(choice.logprobs, shown.logprobs);
    choice.log_probability += log_probability;
    if (token !== null) choice.drawn++;
    choice.finish_reason = finish_reason;
    if (finish_reason) this.#left--;
    if (answered < count) {
      if (this.#left === 0) this.#sendBest();
    } else if (finish_reason || (!whole && hasSomething(choice))) this.#send(choice, first + k, returned);
  }

  #send(choice: Choice, index: number, returned: number): void {
    const { text, logprobs, finish_reason } = choice;
    choice.text = '';
    if (logprobs) choice.logprobs = noLogprobs();
    this.#options.send({ index, text, finish_reason, logprobs }, returned);
  }

  #sendBest(): void {
    const mean = ({ log_probability, drawn }: Choice): number => log_probability / Math.max(1, drawn);
    // Sorting is stable: of equal ones the first that was begun.
    const ranked = [...this.#choices].sort((a, b) => mean(b) - mean(a));
    ranked.slice(0, this.#options.answered).forEach((choice, place) => {
      this.#send(choice, this.#options.first + place, 0);
    });
  }
}

const hasSomething = ({ text, logprobs }: Choice): boolean =>
  text !== '' || (logprobs !== null && logprobs.tokens.length > 0);
