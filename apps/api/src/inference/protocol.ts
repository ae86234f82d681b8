import type { ErrorCode, JobSpec, PredictionInput } from '@unfold/contracts';
import type {
  ActivationOptions,
  BackendName,
  CompletionChunk,
  CompletionOptions,
  CompletionResult,
  ContextValue,
  PredictionOptions,
  VocabularyRequest,
} from '@unfold/rnn';
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

export type {
  CompletionChunk,
  CompletionOptions,
  CompletionResult,
  Logprobs as ChunkLogprobs,
} from '@unfold/rnn';

/** What a completion writes, and then its usage. Such as an async generator is, but that need not be one: it costs every chunk several turns. */
export type Chunks = AsyncIterableIterator<CompletionChunk, CompletionResult>;

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

export interface WatchOptions extends ActivationOptions {
  text: string;
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
  | { type: 'activations'; model: ModelSource; options: WatchOptions }
  | { type: 'predict'; model: ModelSource; options: PredictOptions }
  | { type: 'export'; model: ModelSource }
  | { type: 'check'; task: DataCheckTask }
  | { type: 'count'; request: VocabularyRequest }
  | { type: 'preview'; spec: JobSpec; path: string }
  | { type: 'inspect'; file: { path: string; sha256: string; bytes: number }; limits: InspectLimits };

/** A task as it crosses to a thread: of a completion's options, only those that are not as usual. */
export type SentTask =
  | Exclude<Task, { type: 'complete' }>
  | { type: 'complete'; model: ModelSource; options: Partial<CompletionOptions> };

export interface ThreadData {
  engine: BackendName;
  /** Of states that networks had after prompts. */
  cache_bytes: number;
}

export type ToThread =
  | { type: 'start'; id: number; task: SentTask }
  /** `taken`: chunks that the reader took in all. */
  | { type: 'cancel'; id: number; taken: number }
  /** The reader took so many chunks: as many more may be sent. */
  | { type: 'credit'; id: number; chunks: number }
  /** Let a model go, by its hash. */
  | { type: 'unload'; model: string };

/** All chunks of a step, of all calls: list by list, which crosses cheaper than chunk by chunk. */
export interface ChunksMessage {
  type: 'chunks';
  /** Calls. */
  ids: number[];
  indices: number[];
  texts: string[];
  reasons: CompletionChunk['finish_reason'][];
  /** null: none of them has any. */
  logprobs: CompletionChunk['logprobs'][] | null;
}

export type FromThread =
  | ChunksMessage
  | { type: 'done'; id: number; result: unknown }
  /** What a model takes in the thread's memory, whenever that has changed; 0: the thread has let it go. */
  | { type: 'held'; model: string; bytes: number }
  /** How many choices advanced together, and in how many steps since it was told last. */
  | { type: 'stepped'; steps: [rows: number, count: number][] }
  | {
      type: 'failed';
      id: number;
      error: { code: ErrorCode; message: string; param: string | null; detail: string | null };
    };

/** Chunks that a thread sends ahead of its reader; a call of many choices is asked between steps, and may send one of each beyond that. */
export const creditWindow = 64;
