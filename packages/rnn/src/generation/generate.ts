import { randomPurposes } from '@unfold/kernels';
import type { Network } from '../model/network.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import { ChoiceText } from './choice-text.ts';
import type { Owner } from './owner.ts';
import { encodeInTurns, promptIds } from './prompt-ids.ts';
import { randomSeed } from './random-seed.ts';
import { readPrompt } from './read-prompt.ts';
import { type RandomSource, SampledStream } from './sampled-stream.ts';
import type { SamplingOptions } from './sampler.ts';
import { StreamBatch } from './stream-batch.ts';

export interface GenerateOptions extends Partial<SamplingOptions> {
  /**
   * The text to go on from; default empty. After an empty prompt the model starts from the zero state as if a line had just ended: it reads a
   * line feed (or else a space) that is not part of the answer, or nothing if its vocabulary has neither.
   */
  prompt?: string;
  /** What the text is conditioned on: a label's row, or a vector; only where the network has a context. */
  context?: Int32Array | Float32Array | null;
  /** Default 256. */
  max_tokens?: number;
  /** Generation ends before any of these; no part of them is ever shown. */
  stop?: readonly string[];
  /** 0 … 2³² − 1; the same seed gives the same text. null: another text each time. */
  seed?: number | null;
  /** Once aborted, the generator ends without a finish reason. */
  signal?: AbortSignal | undefined;
}

export interface GeneratedToken {
  /** Text that is now certain; empty while a character or a possible stop string is incomplete. */
  text: string;
  token: number;
  /** Under the model itself, in nats: temperature 1, nothing cut off; what decides on the end is part of it. */
  log_probability: number;
  /** Only on the last one. */
  finish_reason?: 'stop' | 'length';
}

/** A reader that asks for one token after the other. */
class Pull implements Owner {
  readonly streamed = true;
  readonly #batch: StreamBatch;
  #wanted = false;
  #next: { resolve(token: GeneratedToken | null): void; reject(error: unknown): void } | null = null;
  over = false;

  constructor(batch: StreamBatch) {
    this.#batch = batch;
  }

  get ready(): boolean {
    return this.#wanted;
  }

  /** The next token; null once nobody wants any. */
  next(): Promise<GeneratedToken | null> {
    return new Promise((resolve, reject) => {
      if (this.over) return resolve(null);
      this.#wanted = true;
      this.#next = { resolve, reject };
      this.#batch.wake();
    });
  }

  give(token: GeneratedToken): void {
    this.#wanted = false;
    this.#next?.resolve(token);
    this.#next = null;
  }

  fail(error: unknown): void {
    this.over = true;
    this.#next?.reject(error);
  }

  readonly end = (): void => {
    this.over = true;
    this.#next?.resolve(null);
    this.#batch.wake();
  };
}

interface Writer {
  network: Network;
  tokenizer: Tokenizer;
  batch: StreamBatch;
}

/** Ancestral sampling, a token each time that one is asked for, beside everything else that the batch does. Memory does not grow with the length. */
export async function* generateTokens(
  { network, tokenizer, batch }: Writer,
  options: GenerateOptions,
  source?: RandomSource,
): AsyncGenerator<GeneratedToken, void> {
  const { prompt = '', max_tokens = 256, temperature = 1, top_k = null, top_p = 1 } = options;
  const { stop = [], signal, context = null } = options;
  const pull = new Pull(batch);
  signal?.addEventListener('abort', pull.end);
  try {
    if (signal?.aborted || max_tokens < 1) return;
    const ids = promptIds(tokenizer, await encodeInTurns(tokenizer, prompt));
    const stepwise = network.model.length === 'countdown';
    const first = pull.next();
    void (async () => {
      const { state, read } = await readPrompt({
        ...{ owner: pull, batch, ids, context, stepwise },
        ...{ from: null, hear: null, cache: null },
      });
      const stream = new SampledStream({
        owner: pull,
        network,
        tokenizer,
        context,
        unread: ids.subarray(read),
        position: read,
        from: null,
        recorded: [],
        sampling: { temperature, top_k, top_p },
        adjustment: { logit_bias: new Map(), frequency_penalty: 0, presence_penalty: 0 },
        random: source ?? { seed: options.seed ?? randomSeed(), purpose: randomPurposes.sampling, step: 0 },
        maxTokens: max_tokens,
        alternatives: null,
        scores: true,
        text: new ChoiceText(
          tokenizer,
          stop.filter((text) => text !== ''),
        ),
        record: null,
        hearPrompt: null,
        tell({ text }, token, log_probability, finish_reason) {
          pull.give({ text, token: token!, log_probability, ...(finish_reason && { finish_reason }) });
        },
      });
      batch.start(stream, state);
    })().catch((error) => pull.fail(error));
    for (let token = await first; token !== null; token = await pull.next()) {
      yield token;
      if (token.finish_reason || signal?.aborted) return;
    }
  } finally {
    signal?.removeEventListener('abort', pull.end);
    pull.end();
  }
}

/** The same on a batch of its own, which has ended when the generator has. */
export async function* generateAlone(
  network: Network,
  tokenizer: Tokenizer,
  options: GenerateOptions,
  source: RandomSource,
): AsyncGenerator<GeneratedToken, void> {
  const batch = new StreamBatch(network);
  try {
    yield* generateTokens({ network, tokenizer, batch }, options, source);
  } finally {
    await batch.close();
  }
}
