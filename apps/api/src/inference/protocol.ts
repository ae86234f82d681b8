import type { ErrorCode, FinishReason, JobSpec, PredictionInput } from '@unfold/contracts';
import type { BackendName, ContextValue, PredictionOptions } from '@unfold/rnn';
import type { DataCheckTask } from './data-checks.ts';

/** A file that a thread opens by itself, so that weights are never copied between threads. */
export interface ModelSource {
  /** Absolute. */
  path: string;
  sha256: string;
  bytes: number;
  /** A checkpoint also holds optimizer state, which is dropped on loading. */
  kind: 'model' | 'checkpoint';
}

/** One completions request: prompts × best_of streams, batched with everything else that the model is doing. */
export interface CompletionOptions {
  /** Texts or token ids, 1 … 64 of them. */
  prompts: (string | number[])[];
  /** From 0. */
  max_tokens: number;
  temperature: number;
  top_p: number;
  top_k: number | null;
  /** Choices that are answered a prompt. */
  n: number;
  /** Texts that are written a prompt: the n with the highest mean log-probability a token are answered. */
  best_of: number;
  /** Beam search instead of sampling: the n likeliest, best first. */
  beam_width: number | null;
  echo: boolean;
  /** 0 … 5 alternatives a token; null: no log-probabilities. */
  logprobs: number | null;
  stop: string[];
  /** Stream k of prompt p draws from a sequence of its own, p × best_of + k. */
  seed: number | null;
  frequency_penalty: number;
  presence_penalty: number;
  /** By token id, in nats: added to its logit. −100 bans it, 100 forces it. */
  logit_bias: Record<string, number> | null;
  context: ContextValue | null;
  /** The project: what one has cached is of no use to another. */
  cache_scope: string;
  /** Goes on from a state that an earlier call gave, null: from the beginning; only with one prompt and one choice that is sampled. */
  session: { state: Uint8Array | null } | null;
}

/** In OpenAI's shape; `text_offset` counts UTF-16 units from the start of the choice's text. */
export interface ChunkLogprobs {
  tokens: string[];
  token_logprobs: (number | null)[];
  top_logprobs: (Record<string, number> | null)[];
  text_offset: number[];
}

/** What became certain of one choice. */
export interface CompletionChunk {
  /** prompt × n + k, as OpenAI numbers choices. */
  index: number;
  text: string;
  /** Only in the choice's last chunk. */
  finish_reason: FinishReason | null;
  logprobs: ChunkLogprobs | null;
}

export interface CompletionResult {
  prompt_tokens: number;
  completion_tokens: number;
  /** Those of the prompts whose reading was saved. */
  cached_tokens: number;
  /** After the last token that was handed out, before a matched stop string or the end; also when the call was cancelled on the way. */
  session: { state: Uint8Array; tokens: number } | null;
}

export interface ScoredText {
  tokens: string[];
  log_probabilities: (number | null)[];
  total: number;
  perplexity: number | null;
}

export interface ScoreOptions {
  texts: string[];
  context: ContextValue | null;
}

export interface PredictOptions {
  /** One sequence or a list of them: the model decides. */
  input: PredictionInput;
  /** Most time steps of one sequence. */
  longest: number;
  options: PredictionOptions;
}

export interface InspectLimits {
  header_bytes: number;
  parameters: number;
}

/** What a safetensors file says about itself. */
export interface InspectedWeights {
  spec: JobSpec | null;
  parameters: number;
  vocabulary_size: number;
}

export type Task =
  | { type: 'complete'; model: ModelSource; options: CompletionOptions }
  | { type: 'score'; model: ModelSource; options: ScoreOptions }
  | { type: 'predict'; model: ModelSource; options: PredictOptions }
  | { type: 'export'; model: ModelSource }
  | { type: 'check'; task: DataCheckTask }
  | { type: 'inspect'; file: { path: string; sha256: string; bytes: number }; limits: InspectLimits };

export interface ThreadData {
  engine: BackendName;
  memory_bytes: number;
}

export type ToThread =
  | { type: 'start'; id: number; task: Task }
  | { type: 'cancel'; id: number }
  /** The reader took so many chunks: as many more may be sent. */
  | { type: 'credit'; id: number; chunks: number };

export type FromThread =
  | { type: 'chunk'; id: number; chunk: CompletionChunk }
  | { type: 'done'; id: number; result: unknown }
  | {
      type: 'failed';
      id: number;
      error: { code: ErrorCode; message: string; param: string | null; detail: string | null };
    };

/** Chunks that a thread sends ahead of its reader. */
export const creditWindow = 64;
