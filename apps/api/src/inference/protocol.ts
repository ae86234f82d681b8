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

export interface GenerateOptions {
  prompt: string;
  max_tokens: number;
  temperature: number;
  top_p: number;
  top_k: number | null;
  stop: string[];
  seed: number | null;
  context: ContextValue | null;
}

export interface GeneratedToken {
  text: string;
  finish_reason: FinishReason | null;
}

export interface GenerateResult {
  prompt_tokens: number;
  completion_tokens: number;
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
  | { type: 'generate'; model: ModelSource; options: GenerateOptions }
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
  /** The reader took so many tokens: as many more may be sent. */
  | { type: 'credit'; id: number; tokens: number };

export type FromThread =
  | { type: 'token'; id: number; token: GeneratedToken }
  | { type: 'done'; id: number; result: unknown }
  | {
      type: 'failed';
      id: number;
      error: { code: ErrorCode; message: string; param: string | null; detail: string | null };
    };

/** Tokens that a thread sends ahead of its reader. */
export const creditWindow = 64;
