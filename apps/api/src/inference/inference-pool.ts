import { type JobSpec, UnfoldError } from '@unfold/contracts';
import type {
  Activations,
  DataPreview,
  DataSummary,
  Prediction,
  VocabularyCount,
  VocabularyRequest,
} from '@unfold/rnn';
import type { Tracing } from '@unfold/telemetry';
import type { FastifyBaseLogger } from 'fastify';
import { endOf, RestartingError } from '../http/restarting.ts';
import type { ApiMetrics } from '../metrics.ts';
import { workOf } from './call-work.ts';
import { type ChunkQueue, createChunkQueue } from './chunk-queue.ts';
import type { DataCheckTask } from './data-checks.ts';
import { type Call, createInferenceThreads, type Thread } from './inference-threads.ts';
import { createModelMemory } from './model-memory.ts';
import type {
  Chunks,
  ChunksMessage,
  CompletionOptions,
  CompletionResult,
  FromThread,
  InspectedWeights,
  InspectLimits,
  ModelSource,
  PredictOptions,
  ScoredText,
  ScoreOptions,
  Task,
  ThreadData,
  ToThread,
  WatchOptions,
} from './protocol.ts';

/** Inference in threads of its own. Every call may be abandoned through its signal. */
export interface InferencePool {
  /**
   * Yields text as it becomes certain; returns the usage. Begins when the first chunk is asked for. A slow reader slows its own call down and
   * no other. Once `signal` aborts, it throws, but with a session it still returns its result: the state after what was handed out.
   */
  complete(model: ModelSource, options: CompletionOptions, signal: AbortSignal): Chunks;
  score(model: ModelSource, options: ScoreOptions, signal: AbortSignal): Promise<ScoredText[]>;
  /** The hidden units' values over a text. */
  activations(model: ModelSource, options: WatchOptions, signal: AbortSignal): Promise<Activations>;
  /** One answer an input, in their order. */
  predict(model: ModelSource, options: PredictOptions, signal: AbortSignal): Promise<Prediction[]>;
  /** The weights of a checkpoint without the optimizer's state, as a safetensors file. */
  exportCheckpoint(model: ModelSource, signal: AbortSignal): Promise<Uint8Array>;
  /** Validates a safetensors file before anything of it is allocated. */
  inspect(
    file: { path: string; sha256: string; bytes: number },
    limits: InspectLimits,
    signal: AbortSignal,
  ): Promise<InspectedWeights>;
  /** Reads a job's data and holds it against the task. */
  check(task: DataCheckTask, signal: AbortSignal): Promise<DataSummary | null>;
  /** The vocabulary of a job's data; null: that is not to be counted while somebody waits. */
  count(request: VocabularyRequest, signal: AbortSignal): Promise<VocabularyCount | null>;
  /** What the beginning of a job's data becomes. */
  preview(spec: JobSpec, path: string, signal: AbortSignal): Promise<DataPreview>;
  close(): Promise<void>;
}

interface Options {
  /** Most of them: but the first, each begins with the first call that goes to it. */
  threads: number;
  /** Calls at once, over all threads. */
  limit: number;
  /** For loaded models, over all threads. */
  memoryBytes: number;
  data: ThreadData;
  metrics: Pick<
    ApiMetrics,
    'inferenceRunning' | 'inferenceRestarts' | 'inferenceRows' | 'modelMemoryBytes' | 'modelsLoaded'
  >;
  log: Pick<FastifyBaseLogger, 'error' | 'warn'>;
  tracing: Tracing;
}

/** The file that a task loads and that stays loaded. */
const loadedModel = (task: Task): ModelSource | null =>
  'model' in task && task.type !== 'export' ? task.model : null;

export const createInferencePool = ({
  threads: count,
  limit,
  memoryBytes,
  data,
  metrics,
  log,
  tracing,
}: Options): InferencePool => {
  const memory = createModelMemory(memoryBytes, ({ models, bytes }) => {
    metrics.modelsLoaded.set(models);
    metrics.modelMemoryBytes.set(bytes);
  });
  let closing = false;
  let nextId = 1;

  const receiveChunks = ({ calls }: Thread, message: ChunksMessage): void => {
    const { ids, indices, texts, reasons, logprobs } = message;
    ids.forEach((id, k) => {
      calls.get(id)?.chunks.push({
        index: indices[k]!,
        text: texts[k]!,
        finish_reason: reasons[k]!,
        logprobs: logprobs?.[k] ?? null,
      });
    });
  };

  const receive = (thread: Thread, message: FromThread): void => {
    if (message.type === 'chunks') {
      receiveChunks(thread, message);
      return;
    }
    if (message.type === 'held') {
      thread.models.report(message.model, message.bytes);
      return;
    }
    if (message.type === 'stepped') {
      for (const [rows, count] of message.steps)
        for (let step = 0; step < count; step++) metrics.inferenceRows.observe(rows);
      return;
    }
    const call = thread.calls.get(message.id);
    if (call === undefined) return;
    if (message.type === 'done') call.settle(message.result);
    else {
      const { code, message: text, param, detail } = message.error;
      if (detail !== null) log.error({ detail }, 'an inference call failed');
      call.fail(new UnfoldError(code, text, { param }));
    }
  };

  const threads = createInferenceThreads({ count, data, memory, receive, metrics, log });

  const start = (
    task: Task,
    signal: AbortSignal,
  ): { chunks: ChunkQueue; result: Promise<unknown>; cancel(): void } => {
    if (closing) throw new RestartingError();
    if (threads.calls() >= limit)
      throw new UnfoldError(
        'overloaded',
        `expected at most ${limit} inference calls at once; try again in a moment.`,
      );
    const model = loadedModel(task);
    const work = workOf(task, model);
    const thread = threads.choose(model, work);
    const used = model && thread.models.use(model);
    // Only now, since a model for which there is no memory needs no thread either.
    thread.start();
    const id = nextId++;
    // What is waited for is the same for all messages of a call, so that they keep their order.
    const post = used?.room
      ? (message: ToThread) => void used.room!.then(() => thread.post(message))
      : thread.post;
    const chunks = createChunkQueue((count) => post({ type: 'credit', id, chunks: count }));
    const span = tracing.start(`inference ${task.type}`);
    const leave = (): void => {
      if (thread.calls.delete(id)) {
        thread.work -= work;
        used?.leave();
        metrics.inferenceRunning.dec();
        span.end();
      }
      signal.removeEventListener('abort', cancel);
    };
    const cancel = (): void => {
      if (!thread.calls.has(id)) return;
      post({ type: 'cancel', id, taken: chunks.taken });
      // The thread still says where a session goes on.
      if (task.type === 'complete' && task.options.session !== null) chunks.drop();
      else call.fail(endOf(signal));
    };
    let call!: Call;
    const result = new Promise<unknown>((resolve, reject) => {
      call = {
        chunks,
        settle(value) {
          leave();
          chunks.end(value as CompletionResult);
          resolve(value);
        },
        fail(error) {
          span.fail(error);
          leave();
          chunks.fail(error);
          reject(error);
        },
      };
    });
    // A caller that only reads chunks learns of a failure from them.
    result.catch(() => {});
    thread.calls.set(id, call);
    thread.work += work;
    metrics.inferenceRunning.inc();
    signal.addEventListener('abort', cancel);
    post({ type: 'start', id, task });
    if (signal.aborted) cancel();
    return { chunks, result, cancel };
  };

  return {
    complete(model, options, signal) {
      let call: ReturnType<typeof start> | null = null;
      const chunks: Chunks = {
        next() {
          try {
            call ??= start({ type: 'complete', model, options }, signal);
          } catch (error) {
            return Promise.reject(error);
          }
          return call.chunks.next();
        },
        async return(result) {
          call?.cancel();
          return { done: true, value: await result! };
        },
        [Symbol.asyncIterator]: () => chunks,
      };
      return chunks;
    },
    async score(model, options, signal) {
      return (await start({ type: 'score', model, options }, signal).result) as ScoredText[];
    },
    async activations(model, options, signal) {
      return (await start({ type: 'activations', model, options }, signal).result) as Activations;
    },
    async predict(model, options, signal) {
      return (await start({ type: 'predict', model, options }, signal).result) as Prediction[];
    },
    async exportCheckpoint(model, signal) {
      return (await start({ type: 'export', model }, signal).result) as Uint8Array;
    },
    async inspect(file, limits, signal) {
      return (await start({ type: 'inspect', file, limits }, signal).result) as InspectedWeights;
    },
    async check(task, signal) {
      return (await start({ type: 'check', task }, signal).result) as DataSummary | null;
    },
    async count(request, signal) {
      return (await start({ type: 'count', request }, signal).result) as VocabularyCount | null;
    },
    async preview(spec, path, signal) {
      return (await start({ type: 'preview', spec, path }, signal).result) as DataPreview;
    },
    async close() {
      closing = true;
      await threads.close();
    },
  };
};
