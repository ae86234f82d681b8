import { describeValue, UnfoldError } from '@unfold/contracts/values';
import type { ContextValue } from '../context-value.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import type { Logprobs } from './choice-text.ts';

/** One request for completions: prompts × best_of streams, batched with everything else that the model is doing. */
export interface CompletionOptions {
  /** Texts or token ids, at least one. */
  prompts: (string | number[])[];
  /** From 0. */
  max_tokens: number;
  temperature: number;
  top_p: number;
  top_k: number | null;
  /** Choices that are answered a prompt. */
  n: number;
  /** Texts that are written a prompt: the n with the highest mean log-probability a token are answered, best first. */
  best_of: number;
  /** Beam search instead of sampling: the n likeliest, best first; what else decides on draws is not looked at. */
  beam_width: number | null;
  /** Whether the text begins with the prompt. */
  echo: boolean;
  /** 0 … 5 alternatives a token; null: no log-probabilities. */
  logprobs: number | null;
  stop: string[];
  /** Stream k of prompt p draws from a sequence of its own, p × best_of + k. null: another text each time. */
  seed: number | null;
  frequency_penalty: number;
  presence_penalty: number;
  /** By token id, in nats: added to its logit. −100 bans it, 100 forces it. */
  logit_bias: Record<string, number> | null;
  context: ContextValue | null;
  /** Who may use what was read for whom: a key of the service. */
  cache_scope: string;
  /** Goes on from a state that an earlier call gave, null: from the beginning; only with one prompt and one choice that is sampled. */
  session: { state: Uint8Array | null } | null;
  /** One chunk a choice, when it has ended: its reader has no use for less. Default false. */
  whole?: boolean;
}

/** What became certain of one choice. */
export interface CompletionChunk {
  /** prompt × n + k, as OpenAI numbers choices. */
  index: number;
  text: string;
  /** Only in the choice's last chunk. */
  finish_reason: 'stop' | 'length' | null;
  logprobs: Logprobs | null;
}

export interface CompletionResult {
  prompt_tokens: number;
  /** Everything that was drawn, of choices that were not answered too. */
  completion_tokens: number;
  /** Those of the prompts whose reading was saved. */
  cached_tokens: number;
  /**
   * After the last token that was handed out, before a matched stop string or the end; null without a session, and for a call that was cancelled
   * before anything of its answer was handed out. `tokens`: how many the session has come through in all.
   */
  session: { state: Uint8Array; tokens: number } | null;
}

const refuse = (param: string, expected: string, received: unknown): never => {
  throw new UnfoldError(
    'invalid_value',
    `${param}: expected ${expected}, but received ${describeValue(received)}.`,
    { param },
  );
};

/** @throws UnfoldError `invalid_value`, naming the prompt */
export const expectIds = (ids: readonly number[], { tokens }: Pick<Tokenizer, 'tokens'>): Int32Array => {
  const odd = ids.find((id) => !Number.isInteger(id) || id < 0 || id >= tokens.length);
  if (odd !== undefined)
    refuse('prompt', `token ids from 0 to ${tokens.length - 1}, those of the model's vocabulary`, odd);
  return Int32Array.from(ids);
};

const noBias: ReadonlyMap<number, number> = new Map();

/**
 * The bias by token.
 * @throws UnfoldError `invalid_value`
 */
export const biasOf = (
  bias: CompletionOptions['logit_bias'],
  { tokens, unknown }: Pick<Tokenizer, 'tokens' | 'unknown'>,
): ReadonlyMap<number, number> => {
  const free = tokens.length - (unknown === null ? 0 : 1);
  if (bias === null && free > 0) return noBias;
  const map = new Map<number, number>();
  for (const [name, value] of Object.entries(bias ?? {})) {
    const id = Number(name);
    if (!/^\d{1,10}$/.test(name) || id >= tokens.length)
      refuse('logit_bias', `token ids from 0 to ${tokens.length - 1} as its keys`, name);
    if (!(value >= -100 && value <= 100)) refuse('logit_bias', 'numbers from -100 to 100', value);
    map.set(id, value);
  }
  const forced = [...map].filter(([, value]) => value >= 100);
  const banned = [...map].filter(([id, value]) => value <= -100 && id !== unknown).length;
  if ((forced.length > 0 && forced.every(([id]) => id === unknown)) || banned === free)
    refuse('logit_bias', 'at least one token that may be written', bias);
  return map;
};

/** @throws UnfoldError `invalid_value` for options that do not go together */
export const checkCompletion = (options: CompletionOptions): void => {
  const { prompts, n, best_of, beam_width, session } = options;
  if (prompts.length === 0) refuse('prompt', 'at least one prompt', prompts);
  if (best_of < n) refuse('best_of', `at least n, which is ${n}`, best_of);
  if (beam_width !== null) {
    if (beam_width < n) refuse('beam_width', `at least n, which is ${n}`, beam_width);
    if (best_of !== n)
      refuse('best_of', 'nothing beside beam_width, which already looks for the best', best_of);
    for (const penalty of ['frequency_penalty', 'presence_penalty'] as const)
      if (options[penalty] !== 0) refuse(penalty, '0 beside beam_width', options[penalty]);
  }
  if (session === null) return;
  if (prompts.length > 1) refuse('prompt', 'one prompt, since a session is one text', prompts);
  if (best_of > 1) refuse(n > 1 ? 'n' : 'best_of', '1, since a session is one text', best_of);
  if (beam_width !== null) refuse('beam_width', 'nothing, since a session is sampled', beam_width);
};
