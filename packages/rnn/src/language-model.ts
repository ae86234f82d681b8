import { createHash } from 'node:crypto';
import type { JobSpec } from '@unfold/contracts';
import { describeValue, UnfoldError } from '@unfold/contracts/values';
import type { Backend } from '@unfold/kernels';
import type { ContextValue } from './context-value.ts';
import { fitsSingle } from './data/records/data-limits.ts';
import { normalizeInto } from './data/records/normalization.ts';
import type { RecordEncoding } from './data/records/record-encoding.ts';
import {
  type ActivationOptions,
  type ActivationQueue,
  type Activations,
  createActivationQueue,
  readActivations,
} from './generation/activations.ts';
import { Completion } from './generation/completion.ts';
import type { CompletionChunk, CompletionOptions } from './generation/completion-options.ts';
import { type GeneratedToken, type GenerateOptions, generateTokens } from './generation/generate.ts';
import type { PrefixCache } from './generation/prefix-cache.ts';
import { createScoreQueue, type Score, type ScoreQueue, scoreTexts } from './generation/score.ts';
import { StreamBatch } from './generation/stream-batch.ts';
import { type MeteredBackend, meterBackend } from './model/metered-backend.ts';
import { type Network, releaseNetwork } from './model/network.ts';
import type { Tokenizer } from './text/tokenizer.ts';
import type { DescribedWeights, WeightLimits } from './weights/inspect.ts';
import { loadNetwork } from './weights/load-network.ts';

export interface LanguageModelOptions extends Omit<GenerateOptions, 'context'> {
  context?: ContextValue;
}

/** The first of the names, so that whoever wrote another one sees what they look like. */
const someOf = (names: readonly string[], most = 10): string =>
  names
    .slice(0, most)
    .map((name) => JSON.stringify(name))
    .concat(names.length > most ? `… ${names.length - most} more` : [])
    .join(', ');

/**
 * The context as the network reads it.
 * @throws UnfoldError `invalid_value` if it is not what the model is conditioned on
 */
const encodeContext = (
  context: RecordEncoding['context'],
  value: ContextValue | undefined,
): Int32Array | Float32Array | null => {
  const refuse = (expected: string, received: unknown = value): never => {
    throw new UnfoldError(
      'invalid_value',
      `context: expected ${expected}, but received ${describeValue(received)}.`,
      { param: 'context' },
    );
  };
  if (context === null)
    return value === undefined ? null : refuse('none, since the model was trained without one');
  if (context.kind === 'label') {
    const row = typeof value === 'string' ? context.list.idOf(value) : -1;
    return row < 0
      ? refuse(`a label that the model was trained with (${someOf(context.list.tokens)})`)
      : Int32Array.of(row);
  }
  if (!Array.isArray(value) || value.length !== context.width || !value.every(Number.isFinite))
    return refuse(`${context.width} numbers`);
  const large = value.find((number) => !fitsSingle(number));
  if (large !== undefined) return refuse('numbers within single precision (3.4e38)', large);
  const encoded = new Float32Array(context.width);
  normalizeInto(Float64Array.from(value), context.normalization, encoded);
  return encoded;
};

/**
 * The context that a session remembers, as the network reads it.
 * @throws UnfoldError `invalid_value` if it cannot be this model's: the client may have kept the state, and changed it
 */
const recallContext = (
  context: RecordEncoding['context'],
  remembered: readonly number[],
): Int32Array | Float32Array => {
  if (context?.kind === 'label') {
    if (remembered.length === 1 && context.list.tokens[remembered[0]!] !== undefined)
      return Int32Array.from(remembered);
  } else if (remembered.length === context?.width) return Float32Array.from(remembered);
  throw new UnfoldError('invalid_value', "session: its state's context is not one of this model.", {
    param: 'session',
  });
};

/** A trained language model on a backend: writes text and tells how likely a text is. */
export class LanguageModel {
  readonly spec: JobSpec;
  readonly tokenizer: Tokenizer;
  /** Trained numbers; tied weights count once. */
  readonly parameters: number;
  /** SHA-256 of its weights' file, hexadecimal: what sessions and cached states belong to. */
  readonly fingerprint: string;
  readonly #network: Network;
  readonly #memory: MeteredBackend;
  readonly #stepped: ((rows: number) => void) | undefined;
  #batch: StreamBatch | null = null;
  readonly #scores: ScoreQueue;
  readonly #activations: ActivationQueue;
  readonly #context: RecordEncoding['context'];

  private constructor(
    described: DescribedWeights,
    network: Network,
    memory: MeteredBackend,
    fingerprint: string,
    stepped: ((rows: number) => void) | undefined,
  ) {
    this.fingerprint = fingerprint;
    this.#memory = memory;
    this.#stepped = stepped;
    this.spec = described.spec;
    this.tokenizer = (described.encoding.input as { tokenizer: Tokenizer }).tokenizer;
    this.parameters = described.parameters;
    this.#network = network;
    this.#scores = createScoreQueue(network);
    this.#activations = createActivationQueue(network);
    this.#context = described.encoding.context;
  }

  /**
   * Loads an export, a checkpoint, or weights saved by PyTorch under our names with `spec` and `tokenizer` as metadata.
   * @param stepped told after each step how many streams advanced together
   * @throws UnfoldError `invalid_weights`
   */
  static async load(
    weights: Uint8Array,
    backend: Backend,
    limits: WeightLimits = {},
    stepped?: (rows: number) => void,
  ): Promise<LanguageModel> {
    const memory = meterBackend(backend);
    const { described, network } = loadNetwork(weights, memory.backend, limits);
    const fingerprint = createHash('sha256').update(weights).digest('hex');
    return new LanguageModel(described, network, memory, fingerprint, stepped);
  }

  /** Memory that it takes now: its parameters, and the room of what it was asked for, which stays. */
  get bytes(): number {
    return this.#memory.bytes + (this.#batch?.hostBytes ?? 0);
  }

  get vocabularySize(): number {
    return this.#network.vocabularySize;
  }

  /** What the model is conditioned on: a label, a vector, or nothing. */
  get contextKind(): 'label' | 'vector' | null {
    if (this.#context === null) return null;
    return this.#context.kind === 'label' ? 'label' : 'vector';
  }

  /** Everything that the model writes advances together. */
  get #writer(): { network: Network; tokenizer: Tokenizer; batch: StreamBatch } {
    this.#batch ??= new StreamBatch(this.#network, this.#stepped);
    return { network: this.#network, tokenizer: this.tokenizer, batch: this.#batch };
  }

  /**
   * Writes text, token by token; see `GenerateOptions`. Any number of generations may run at once.
   * @throws UnfoldError `invalid_value` if the context is not what the model is conditioned on
   */
  generate(options: LanguageModelOptions): AsyncGenerator<GeneratedToken, void> {
    const context = encodeContext(this.#context, options.context);
    return generateTokens(this.#writer, { ...options, context });
  }

  /**
   * Answers a call for completions: chunks go to `chunk`, see `Completion`. What it writes depends on nothing that runs beside it.
   * @param cache states of prompts that were read before; null: every prompt is read
   * @throws UnfoldError `invalid_value`
   */
  complete(
    options: CompletionOptions,
    chunk: (chunk: CompletionChunk) => void,
    { cache = null, credit }: { cache?: PrefixCache | null; credit?: number } = {},
  ): Completion {
    const contextOf = (remembered: number[] | null) => {
      const expected = this.#context;
      if (remembered === null) return encodeContext(expected, options.context ?? undefined);
      const kept = recallContext(expected, remembered);
      if (options.context === null) return kept;
      const given = encodeContext(expected, options.context)!;
      if (given.some((value, k) => value !== kept[k]))
        throw new UnfoldError(
          'invalid_value',
          'context: expected none, or the one that the session began with, but received another.',
          { param: 'context' },
        );
      return kept;
    };
    const { network, tokenizer, batch } = this.#writer;
    const room = { network, tokenizer, batch, fingerprint: this.fingerprint, cache };
    return new Completion(room, options, contextOf, chunk, credit);
  }

  /** The log-probability of a text, token by token and in total. */
  async score(text: string, context?: ContextValue): Promise<Score> {
    const [score] = await this.scoreAll([text], context);
    return score!;
  }

  /** The same of many texts of one context: those of all calls are read side by side. @param signal once it aborts, nobody reads the answer */
  scoreAll(texts: readonly string[], context?: ContextValue, signal?: AbortSignal): Promise<Score[]> {
    const encoded = encodeContext(this.#context, context);
    return scoreTexts(this.#scores, this.#network, this.tokenizer, texts, encoded, signal);
  }

  /**
   * The hidden units' values over a text, those of all calls read side by side.
   * @param signal once it aborts, nobody reads the answer
   * @throws UnfoldError `invalid_value`
   */
  async activations(
    text: string,
    { context, ...options }: ActivationOptions & { context?: ContextValue } = {},
    signal?: AbortSignal,
  ): Promise<Activations> {
    const encoded = encodeContext(this.#context, context);
    const read = { text, context: encoded, ...options };
    return readActivations(this.#activations, this.#network, this.tokenizer, read, signal);
  }

  countTokens(text: string): number {
    return this.tokenizer.encode(text).length;
  }

  /** Frees the backend's memory once the step that runs has ended; the model must not be used again. */
  async close(): Promise<void> {
    await this.#batch?.close();
    await this.#scores.close();
    await this.#activations.close();
    releaseNetwork(this.#network);
  }
}
