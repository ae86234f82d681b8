import { createRandomStream, randomPurposes } from '@unfold/kernels';
import { joinIds } from '../data/records/batch-layout.ts';
import { nextTurn } from '../event-loop.ts';
import type { Network } from '../model/network.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import { endingOf } from './endings.ts';
import { type SamplingOptions, sampleToken } from './sampler.ts';
import { Session } from './session.ts';
import { createTextStream } from './text-stream.ts';

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

/** Where the random numbers come from: a purpose's stream of its own, and a step to tell calls of one seed apart. */
export interface RandomSource {
  seed: number;
  purpose: number;
  step: number;
}

const startToken = (tokenizer: Tokenizer): number | null => {
  const id = ['\n', ' '].map((text) => tokenizer.tokens.indexOf(text)).find((found) => found >= 0);
  return id ?? null;
};

/** What is read before the first token is drawn: of sequences the boundary, which begins them. */
const promptIds = (tokenizer: Tokenizer, prompt: string): Int32Array => {
  const ids = tokenizer.encode(prompt);
  if (tokenizer.boundary !== null) return joinIds([tokenizer.boundary], ids);
  if (ids.length > 0) return ids;
  const start = startToken(tokenizer);
  return start === null ? ids : Int32Array.of(start);
};

/** Layer word of the draws that end sequences. */
const endingStream = 2;

const randomSeed = (): number => crypto.getRandomValues(new Uint32Array(1))[0]!;

/**
 * Ancestral sampling: draws a token from the model, feeds it back, and so on. Memory does not grow with the length. Every token gives the
 * event loop a turn, so that requests interleave.
 */
export async function* generateTokens(
  network: Network,
  tokenizer: Tokenizer,
  options: GenerateOptions,
  source?: RandomSource,
): AsyncGenerator<GeneratedToken, void> {
  const {
    prompt = '',
    max_tokens = 256,
    temperature = 1,
    top_k = null,
    top_p = 1,
    stop = [],
    signal,
  } = options;
  const random = source ?? {
    seed: options.seed ?? randomSeed(),
    purpose: randomPurposes.sampling,
    step: 0,
  };
  const stops = stop.filter((text) => text !== '');
  const ids = promptIds(tokenizer, prompt);
  const text = createTextStream(tokenizer, stops);
  const session = new Session(network, options.context ?? null);
  const draws = { count: 0 };
  const ending = endingOf(
    network,
    session,
    // A stream of its own, so that what is drawn of tokens does not depend on how sequences end.
    () => createRandomStream({ ...random, layer: endingStream, t: draws.count++ }).uniform(),
    temperature,
  );
  try {
    if (network.model.length === 'countdown') {
      for (let k = 0; k < ids.length; k++) {
        if (signal?.aborted) return;
        await ending.read(ids[k]!, ids.length - 1 - k);
        await nextTurn();
      }
    } else if (!(await session.read(ids, signal))) return;
    for (let t = 0; t < max_tokens; t++) {
      if (signal?.aborted) return;
      const halt = await ending.before();
      if (halt.ends) {
        const { text: rest } = text.push(tokenizer.boundary!, true);
        yield {
          text: rest,
          token: tokenizer.boundary!,
          log_probability: halt.log_probability,
          finish_reason: 'stop',
        };
        return;
      }
      const logits = await session.logits();
      const uniform = createRandomStream({ ...random, t }).uniform();
      const choice = sampleToken(logits, { temperature, top_k, top_p }, uniform, tokenizer.unknown);
      const final = await ending.after();
      const ended = final.ends || choice.token === tokenizer.boundary;
      const last = ended || t === max_tokens - 1;
      const shown = text.push(choice.token, last);
      const end = shown.stopped || ended ? 'stop' : last ? 'length' : null;
      const log_probability = halt.log_probability + choice.log_probability + final.log_probability;
      yield {
        text: shown.text,
        token: choice.token,
        log_probability,
        ...(end ? { finish_reason: end } : {}),
      };
      if (end) return;
      await ending.read(choice.token, 0);
      await nextTurn();
    }
  } finally {
    session.release();
  }
}
