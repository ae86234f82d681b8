import { uniformAt } from '@unfold/kernels';
import type { Network } from '../model/network.ts';
import type { StateValues } from '../model/recurrent-state.ts';
import type { RowInput } from '../model/row-step.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import { Adjustment, type AdjustmentOptions } from './adjustment.ts';
import { type ChoiceText, nothingShown, type Shown, type TokenScore } from './choice-text.ts';
import { type Ending, endingOf, logSigmoid } from './endings.ts';
import type { Owner } from './owner.ts';
import { drawToken, likeliestTokens, logSum, type SamplingOptions, sampleToken } from './sampler.ts';
import type { SessionRecord } from './session-record.ts';
import type { SessionState } from './session-state.ts';
import type { Stream } from './stream-batch.ts';

/** Where the random numbers come from: a purpose's stream of its own, a step to tell calls of one seed apart, and a sequence to tell those of one call apart. */
export interface RandomSource {
  seed: number;
  purpose: number;
  step: number;
  sequence?: number;
}

/**
 * Hears that a token was drawn, or the end.
 * @param token null: none was, since none was asked for
 */
export type Tell = (
  shown: Shown,
  token: number | null,
  log_probability: number,
  finish_reason: 'stop' | 'length' | null,
) => void;

export interface SampledStreamOptions {
  owner: Owner;
  network: Network;
  tokenizer: Tokenizer;
  context: Int32Array | Float32Array | null;
  /** What is left to read step by step; t of the first. */
  unread: ArrayLike<number>;
  position: number;
  /** Where it goes on from; null: from the beginning. */
  from: SessionState | null;
  /** Of these, tokens that are read with countdowns of their own. */
  recorded: SessionState['pending'];
  sampling: SamplingOptions;
  adjustment: AdjustmentOptions;
  random: RandomSource;
  maxTokens: number;
  /** Alternatives a token; null: no scores. */
  alternatives: number | null;
  /** Whether `log_probability` is asked for; else it may be 0. */
  scores: boolean;
  text: ChoiceText;
  /** Keeps what a session needs; null: none. */
  record: SessionRecord | null;
  /** Hears what was expected before each token but the first that it reads, and what was decided on the end there, in nats. */
  hearPrompt: ((place: number, logits: StateValues, beside: number) => void) | null;
  tell: Tell;
}

const nothingRecorded: SessionState['pending'] = [];

/** Layer word of the draws that end sequences. */
const endingLayer = 2;

/**
 * The likeliest tokens, and the one that is there if it is none of them.
 * @param beside what decides on the end beside each of them, in nats
 */
export const alternativesOf = (
  logits: ArrayLike<number>,
  count: number,
  { token, log_probability }: { token: number; log_probability: number },
  beside: number,
): NonNullable<TokenScore['alternatives']> => {
  const sum = logSum(logits);
  const best = likeliestTokens(logits, count);
  if (!best.includes(token)) best.push(token);
  return best.map((id) => ({
    token: id,
    log_probability: id === token ? log_probability : logits[id]! - sum + beside,
  }));
};

/** Ancestral sampling: draws a token from what the network says, has it read, and so on. */
export class SampledStream implements Stream {
  readonly owner: Owner;
  readonly context: SampledStreamOptions['context'];
  readonly #options: SampledStreamOptions;
  readonly #ending: Ending;
  readonly #adjustment: Adjustment | null;
  #unread: ArrayLike<number>;
  /** The drawn token, once it is what is left to read. */
  readonly #next = new Int32Array(1);
  #place = 0;
  #recorded: SessionState['pending'];
  #position: number;
  readonly #drawnBefore: number;
  #drawn = 0;
  /** Where the next draw comes from: one object, moved on, since every token of every stream passes here. */
  readonly #address: Required<RandomSource> & { t: number };

  constructor(options: SampledStreamOptions) {
    const { network, random, sampling, adjustment, from } = options;
    this.owner = options.owner;
    this.context = options.context;
    this.#options = options;
    this.#unread = options.unread;
    this.#position = options.position;
    this.#drawnBefore = from?.drawn ?? 0;
    this.#recorded = options.recorded;
    const { seed, purpose, step, sequence = 0 } = random;
    this.#address = { seed, purpose, step, sequence, t: 0 };
    this.#adjustment = Adjustment.isNothing(adjustment) ? null : new Adjustment(adjustment, from?.counts);
    // A stream of its own, so that what is drawn of tokens does not depend on how sequences end.
    const uniform = (t: number): number => uniformAt({ ...random, layer: endingLayer, t });
    this.#ending = endingOf(network, uniform, sampling.temperature, from?.ending ?? null);
    options.record?.begin(this.#unread, this.#position);
  }

  get reads(): boolean {
    return this.#place < this.#unread.length;
  }

  get beginsNow(): boolean {
    return this.owner.streamed && this.#drawn === 0 && this.#unread.length - this.#place <= 1;
  }

  /** Whether there is anything to do; where no tokens are asked for it is over before the last one of the prompt is read. */
  begins(): boolean {
    const { maxTokens, record, text, tell } = this.#options;
    if (maxTokens > 0 || this.#unread.length - this.#place > 1) return true;
    record?.start(this.#ending.state);
    record?.end('length', text);
    tell(nothingShown, null, 0, 'length');
    return false;
  }

  input(): RowInput {
    // The last of them was read with what the ending remembers.
    const recorded = this.#place < this.#recorded.length - 1 ? this.#recorded[this.#place] : undefined;
    const remaining = recorded ? recorded.remaining : this.#ending.remaining;
    this.#options.record?.read(remaining);
    return { token: this.#unread[this.#place]!, position: this.#position, remaining };
  }

  get wantsState(): boolean {
    return this.#options.record?.wantsState ?? false;
  }

  keep(state: StateValues): void {
    this.#options.record!.keep(state);
  }

  hear(logits: StateValues, endings: StateValues | null): boolean {
    if (this.reads) {
      this.#place++;
      this.#position++;
      const ahead = this.#unread.length - this.#place;
      if (ahead > 0) {
        this.#hearKnown(logits, endings, ahead);
        return !this.begins();
      }
    }
    return this.#draw(logits, endings ?? []);
  }

  #hearKnown(logits: StateValues, endings: StateValues | null, ahead: number): void {
    const { hearPrompt, network } = this.#options;
    if (hearPrompt) {
      const beside = network.model.length === 'bernoulli' ? logSigmoid(-endings![0]!) : 0;
      hearPrompt(this.#place, logits, beside);
    }
    if (this.#place >= this.#recorded.length) this.#ending.known(endings ?? [], ahead);
  }

  #draw(logits: StateValues, endings: ArrayLike<number>): boolean {
    const { tokenizer, maxTokens, text, record, tell } = this.#options;
    if (this.#drawn === 0) record?.start(this.#ending.state);
    const halt = this.#ending.before(endings);
    if (halt.ends) {
      const token = tokenizer.boundary!;
      const shown = text.push(token, null, 'flush');
      record?.end('stop', text);
      tell(shown, token, halt.log_probability, 'stop');
      return true;
    }
    this.#address.t = this.#drawnBefore + this.#drawn;
    const choice = this.#choose(logits, uniformAt(this.#address));
    const { token } = choice;
    const final = this.#ending.after(endings);
    this.#drawn++;
    this.#adjustment?.count(token);
    const ended = final.ends || token === tokenizer.boundary;
    const last = ended || this.#drawn === maxTokens;
    const log_probability = halt.log_probability + choice.log_probability + final.log_probability;
    const score = this.#score(logits, token, log_probability, log_probability - choice.log_probability);
    const shown = text.push(token, score, ended || (last && !record) ? 'flush' : last ? 'open' : null);
    const finish_reason = shown.stopped || ended ? 'stop' : last ? 'length' : null;
    record?.drew(token, this.#ending.state);
    if (finish_reason) record?.end(finish_reason, text);
    tell(shown, token, log_probability, finish_reason);
    if (finish_reason) return true;
    this.#next[0] = token;
    this.#unread = this.#next;
    this.#place = 0;
    this.#recorded = nothingRecorded;
    return false;
  }

  #choose(logits: StateValues, uniform: number): { token: number; log_probability: number } {
    const { sampling, tokenizer, scores } = this.#options;
    if (!this.#adjustment) {
      if (scores) return sampleToken(logits, sampling, uniform, tokenizer.unknown);
      return { token: drawToken(logits, sampling, uniform, tokenizer.unknown), log_probability: 0 };
    }
    const token = drawToken(this.#adjustment.apply(logits), sampling, uniform, tokenizer.unknown);
    return { token, log_probability: scores ? logits[token]! - logSum(logits) : 0 };
  }

  /** @param beside what decided on the end, which all alternatives share */
  #score(logits: StateValues, token: number, log_probability: number, beside: number): TokenScore | null {
    const { alternatives } = this.#options;
    if (alternatives === null) return null;
    const score = { token, log_probability };
    return { ...score, alternatives: alternativesOf(logits, alternatives, score, beside) };
  }
}
