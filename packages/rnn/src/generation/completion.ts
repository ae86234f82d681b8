import { randomPurposes } from '@unfold/kernels';
import type { Network } from '../model/network.ts';
import { realArray, stateSize } from '../model/recurrent-state.ts';
import { closedError } from '../rows/row-queue.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import type { AdjustmentOptions } from './adjustment.ts';
import { tellFound } from './beam-choices.ts';
import { type BeamRequest, beamCompletion } from './beam-completion.ts';
import { ChoiceGroup } from './choice-group.ts';
import { ChoiceText } from './choice-text.ts';
import {
  biasOf,
  type CompletionChunk,
  type CompletionOptions,
  type CompletionResult,
  checkCompletion,
  expectIds,
} from './completion-options.ts';
import { logSigmoid } from './endings.ts';
import { Handout } from './handout.ts';
import type { Owner } from './owner.ts';
import type { PrefixCache } from './prefix-cache.ts';
import { PromptScores } from './prompt-scores.ts';
import { type PromptText, promptText } from './prompt-text.ts';
import { randomSeed } from './random-seed.ts';
import { type ReadPrompt, readPrompt } from './read-prompt.ts';
import { SampledStream } from './sampled-stream.ts';
import { decodeSession, encodeSession, expectRoom } from './session-bytes.ts';
import { SessionRecord } from './session-record.ts';
import type { SessionState } from './session-state.ts';
import type { StreamBatch } from './stream-batch.ts';

/** What completions run on. */
export interface CompletionRoom {
  network: Network;
  tokenizer: Tokenizer;
  batch: StreamBatch;
  /** Names the model: its sessions and cached states are no other's. */
  fingerprint: string;
  cache: PrefixCache | null;
}

type Context = Int32Array | Float32Array | null;

const ignore = (): void => {};

/** Does as many things at once. One alone, as nearly always, needs no list of promises. */
const doAll = (count: number, work: (k: number) => Promise<void>): Promise<unknown> =>
  count === 1 ? work(0) : Promise.all(Array.from({ length: count }, (_, k) => work(k)));

/**
 * One call for completions. Chunks go to `chunk` as they become certain, as many as its reader gave room for; `result` resolves after the last
 * one. It owns its streams: what it does not want any more leaves the batch before the next step.
 */
export class Completion implements Owner {
  readonly result: Promise<CompletionResult>;
  readonly #room: CompletionRoom;
  readonly #options: CompletionOptions;
  readonly #context: Context;
  readonly #chunk: (chunk: CompletionChunk) => void;
  readonly #seed: number;
  readonly #bias: ReadonlyMap<number, number>;
  readonly #from: SessionState | null;
  readonly #handout: Handout;
  #over = false;
  #record: SessionRecord | null = null;
  readonly #usage = { prompt_tokens: 0, completion_tokens: 0, cached_tokens: 0 };
  #settle!: { resolve(result: CompletionResult): void; reject(error: unknown): void };

  /**
   * @param contextOf the context as the network reads it, given that which a session remembers
   * @param credit chunks that may be given out before `give`, with which the reader of a session says what it took: `result` waits for that,
   * since the session must not stand beyond it
   * @throws UnfoldError `invalid_value`
   */
  constructor(
    room: CompletionRoom,
    options: CompletionOptions,
    contextOf: (remembered: SessionState['context']) => Context,
    chunk: (chunk: CompletionChunk) => void,
    credit = Number.POSITIVE_INFINITY,
  ) {
    const { network, tokenizer, fingerprint } = room;
    checkCompletion(options);
    const state = options.session?.state ?? null;
    this.#room = room;
    this.#options = options;
    this.#chunk = chunk;
    this.#handout = new Handout(credit);
    this.#seed = options.seed ?? randomSeed();
    this.#bias = biasOf(options.logit_bias, tokenizer);
    const shape = { size: stateSize(network), vocabulary: tokenizer.tokens.length };
    this.#from = state && decodeSession(state, fingerprint, shape, realArray(network.backend));
    this.#context = contextOf(this.#from?.context ?? null);
    for (const prompt of options.prompts) if (typeof prompt !== 'string') expectIds(prompt, tokenizer);
    this.result = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    this.result.catch(ignore);
    void this.#run();
  }

  get ready(): boolean {
    return this.#options.whole === true || this.#handout.hasRoom;
  }

  get streamed(): boolean {
    return this.#options.whole !== true;
  }

  get over(): boolean {
    return this.#over;
  }

  fail(error: unknown): void {
    this.#over = true;
    this.#settle.reject(error);
  }

  /** The reader took so many chunks: as many more may be given out. */
  give(chunks: number): void {
    this.#handout.takeMore(chunks);
    this.#forgetReturned();
    this.#room.batch.wake();
  }

  /** What the reader of a session has is nothing to go back behind. */
  #forgetReturned(): void {
    if (this.#handout.returned !== null) this.#record?.forget(this.#handout.returned);
  }

  /** Nobody wants the rest. @param taken chunks that the reader took in all: where a session goes on */
  cancel(taken = this.#handout.given): void {
    if (this.#over) return;
    this.#over = true;
    this.#handout.take(taken);
    this.#forgetReturned();
    this.#room.batch.wake();
    const { returned } = this.#handout;
    this.#settle.resolve(this.#resultWith(returned === null ? null : this.#record!.state(returned)));
  }

  #resultWith(state: SessionState | null): CompletionResult {
    const session = state && {
      state: encodeSession(state, this.#room.fingerprint),
      tokens: state.position + state.pending.length,
    };
    const { prompt_tokens, completion_tokens, cached_tokens } = this.#usage;
    return { prompt_tokens, completion_tokens, cached_tokens, session };
  }

  readonly #send = (chunk: CompletionChunk, returned: number): void => {
    this.#handout.give(this.#record ? returned : null);
    this.#chunk(chunk);
  };

  async #run(): Promise<void> {
    try {
      await this.#answerAll();
    } catch (error) {
      this.fail(error);
    }
  }

  async #answerAll(): Promise<void> {
    const texts: PromptText[] = [];
    for (const prompt of this.#options.prompts) {
      const text = await this.#textOf(prompt);
      if (this.#over) return;
      if (this.#from) expectRoom(this.#from, text.all.length + this.#options.max_tokens);
      texts.push(text);
    }
    this.#usage.prompt_tokens = texts.reduce((sum, { ids }) => sum + ids.length, 0);
    await doAll(texts.length, (p) => this.#answer(texts[p]!, p));
    if (this.#record) await this.#handout.untilTaken();
    if (this.#over) return;
    this.#over = true;
    this.#settle.resolve(this.#resultWith(this.#record?.state(null) ?? null));
  }

  #textOf(prompt: string | number[]): PromptText | Promise<PromptText> {
    const { echo, logprobs, max_tokens } = this.#options;
    const pending = this.#from?.pending.map(({ token }) => token) ?? null;
    const wanted = { pending, draws: max_tokens > 0, shown: echo, offsets: echo && logprobs !== null };
    return promptText(this.#room.tokenizer, prompt, wanted);
  }

  #read(
    text: PromptText,
    stepwise: boolean,
    hear: ((t: number, logits: ArrayLike<number>) => void) | null,
  ): ReadPrompt | Promise<ReadPrompt> {
    const { batch, cache, fingerprint } = this.#room;
    const context = this.#context;
    const scope = (): string =>
      JSON.stringify([fingerprint, this.#options.cache_scope, context && [...context]]);
    return readPrompt({
      owner: this,
      batch,
      ids: text.all,
      context,
      from: this.#from,
      stepwise,
      hear,
      cache: cache && { states: cache, scope },
    });
  }

  /** Collects what the prompt's own tokens are worth; null where nobody asked. */
  #promptScores(text: PromptText): PromptScores | null {
    const { echo, logprobs } = this.#options;
    return echo && logprobs !== null ? new PromptScores(this.#room.tokenizer, text, logprobs) : null;
  }

  async #answer(text: PromptText, p: number): Promise<void> {
    const { network } = this.#room;
    const { n, best_of, beam_width, logprobs, whole = false } = this.#options;
    const scores = this.#promptScores(text);
    // Where the end is decided beside each token, scores take one step after the other; a countdown is drawn at each.
    const { length } = network.model;
    const stepwise = length === 'countdown' || (length === 'bernoulli' && scores !== null);
    const hears = scores !== null && !stepwise;
    const read = await this.#read(
      text,
      stepwise,
      hears ? (t, logits) => scores.hear(t + 1, logits, 0) : null,
    );
    if (this.#over) return;
    this.#usage.cached_tokens += Math.max(0, read.cached - text.lead);
    const group = new ChoiceGroup({
      count: best_of,
      answered: n,
      whole: whole || beam_width !== null,
      withLogprobs: logprobs !== null,
      first: p * n,
      send: this.#send,
    });
    if (beam_width !== null) return this.#search(text, read, group, stepwise ? scores : null, scores);
    await doAll(best_of, (k) => {
      // Whoever reads the prompt by itself also hears its scores by itself.
      const own = stepwise && k > 0 ? this.#promptScores(text) : scores;
      group.begin(k, { text: text.shown, logprobs: own?.logprobs ?? null });
      return this.#write(text, read, group, k, p * best_of + k, stepwise ? own : null);
    });
  }

  #textOfChoice(text: PromptText): ChoiceText {
    const { stop, logprobs } = this.#options;
    // What a character of the session's still lacks may come with this text, unless something was put between.
    const open = text.ids.length > 0 ? [] : (this.#from?.open ?? []);
    return new ChoiceText(this.#room.tokenizer, stop.filter(Boolean), {
      withScores: logprobs !== null,
      offset: text.shown.length,
      open,
    });
  }

  get #adjustment(): AdjustmentOptions {
    const { frequency_penalty, presence_penalty } = this.#options;
    return { logit_bias: this.#bias, frequency_penalty, presence_penalty };
  }

  /** Writes one text; resolves once it has ended. */
  #write(
    text: PromptText,
    { state, read }: ReadPrompt,
    group: ChoiceGroup,
    k: number,
    sequence: number,
    scores: PromptScores | null,
  ): Promise<void> {
    const { network, tokenizer, batch } = this.#room;
    const { max_tokens, logprobs, n, best_of, session, whole, temperature, top_k, top_p } = this.#options;
    const shown = this.#textOfChoice(text);
    const record =
      session && new SessionRecord(this.#from, this.#context && [...this.#context], state, shown.open);
    this.#record = record;
    return new Promise((resolve) => {
      const stream = new SampledStream({
        owner: this,
        network,
        tokenizer,
        context: this.#context,
        unread: read === 0 ? text.all : text.all.subarray(read),
        position: (this.#from?.position ?? 0) + read,
        from: this.#from,
        recorded: read === 0 ? (this.#from?.pending ?? []) : [],
        sampling: { temperature, top_k, top_p },
        adjustment: this.#adjustment,
        random: { seed: this.#seed, purpose: randomPurposes.sampling, step: 0, sequence },
        maxTokens: max_tokens,
        alternatives: logprobs,
        scores: logprobs !== null || best_of > n,
        text: shown,
        record,
        hearPrompt: scores && ((t, logits, beside) => scores.hear(t, logits, beside)),
        tell: (piece, token, log_probability, finish_reason) => {
          if (token !== null) this.#usage.completion_tokens++;
          if (whole) record?.forget(shown.returned);
          group.tell(k, piece, token, log_probability, finish_reason, shown.returned);
          if (finish_reason) resolve();
        },
      });
      if (stream.begins()) batch.start(stream, state);
    });
  }

  /** @param hears scores that the search collects itself */
  async #search(
    text: PromptText,
    { state, read }: ReadPrompt,
    group: ChoiceGroup,
    hears: PromptScores | null,
    scores: PromptScores | null,
  ): Promise<void> {
    const { network, tokenizer, batch } = this.#room;
    const { n, max_tokens, stop, logprobs, beam_width } = this.#options;
    const request = (): BeamRequest => ({
      network,
      tokenizer,
      width: beam_width!,
      maxTokens: max_tokens,
      stops: stop.filter(Boolean),
      adjustment: this.#adjustment,
      alternatives: logprobs,
      context: this.#context && batch.contextTensor(this.#context),
      state,
      unread: text.all.subarray(read),
      position: read,
      hearKnown: (place, logits, endings) => {
        const beside = network.model.length === 'bernoulli' ? logSigmoid(-endings![0]!) : 0;
        hears?.hear(read + place, logits, beside);
      },
      over: () => this.#over || batch.closed,
    });
    const found = await batch.beside(() => beamCompletion(request()));
    if (this.#over) return;
    if (batch.closed) throw closedError();
    this.#usage.completion_tokens += tellFound(found, group, n, () => this.#textOfChoice(text), {
      text: text.shown,
      logprobs: scores?.logprobs ?? null,
    });
  }
}
