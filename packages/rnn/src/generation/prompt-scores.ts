import type { Tokenizer } from '../text/tokenizer.ts';
import { noLogprobs, pushScore, type TokenScore } from './choice-text.ts';
import { logSoftmaxAt } from './endings.ts';
import type { PromptText } from './prompt-text.ts';
import { alternativesOf } from './sampled-stream.ts';

/** What a prompt's own tokens are worth, as they are read. */
export class PromptScores {
  readonly logprobs = noLogprobs();
  readonly #tokenizer: Tokenizer;
  readonly #text: PromptText;
  readonly #alternatives: number;

  /** @param alternatives a token */
  constructor(tokenizer: Tokenizer, text: PromptText, alternatives: number) {
    this.#tokenizer = tokenizer;
    this.#text = text;
    this.#alternatives = alternatives;
    // Nothing comes before the first token of an endless text.
    if (text.lead === 0 && text.ids.length > 0)
      this.#push({ token: text.ids[0]!, log_probability: null, alternatives: null });
  }

  #push(score: TokenScore): void {
    pushScore(this.logprobs, this.#tokenizer, score, this.#text.offsets[this.logprobs.tokens.length]!);
  }

  /** What was expected at place `t` of all that is read. @param beside what was decided on the end there, in nats */
  hear(t: number, logits: ArrayLike<number>, beside: number): void {
    const { all, lead } = this.#text;
    if (t < lead) return;
    const token = all[t]!;
    const log_probability = logSoftmaxAt(logits, token) + beside;
    const alternatives = alternativesOf(logits, this.#alternatives, { token, log_probability }, beside);
    this.#push({ token, log_probability, alternatives });
  }
}
