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
import type { CallSignal } from '../http/gone-signal.ts';
import { RestartingError } from '../http/restarting.ts';
import type { ApiMetrics } from '../metrics.ts';
import { workOf } from './call-work.ts';
import type { DataCheckTask } from './data-checks.ts';
import { InferenceCall } from './inference-call.ts';
import { createInferenceThreads, type Thread } from './inference-threads.ts';
import { createModelMemory } from './model-memory.ts';
import type {
  Chunks,
  ChunksMessage,
  CompletionOptions,
  FromThread,
  InspectedWeights,
  InspectLimits,
  ModelSource,
  PredictOptions,
  ScoredText,
  ScoreOptions,
  Task,
  ThreadData,
  WatchOptions,
} from './protocol.ts';

/** Inference in threads of its own. Every call may be abandoned through its signal. */
export interface InferencePool {
  /**
   * Yields text as it becomes certain; returns the usage. Begins when the first chunk is asked for. A slow reader slows its own call down and
   * no other. Once `signal` aborts, it throws, but with a session it still returns its result: the state after what was handed out.
   */
  complete(model: ModelSource, options: CompletionOptions, signal: CallSignal): Chunks;
  score(model: ModelSource, options: ScoreOptions, signal: CallSignal): Promise<ScoredText[]>;
  /** The hidden units' values over a text. */
  activations(model: ModelSource, options: WatchOptions, signal: CallSignal): Promise<Activations>;
  /** One answer an input, in their order. */
  predict(model: ModelSource, options: PredictOptions, signal: CallSignal): Promise<Prediction[]>;
  /** The weights of a checkpoint without the optimizer's state, as a safetensors file. */
  exportCheckpoint(model: ModelSource, signal: CallSignal): Promise<Uint8Array>;
  /** Validates a safetensors file before anything of it is allocated. */
  inspect(
    file: { path: string; sha256: string; bytes: number },
    limits: InspectLimits,
    signal: CallSignal,
  ): Promise<InspectedWeights>;
  /** Reads a job's data and holds it against the task. */
  check(task: DataCheckTask, signal: CallSignal): Promise<DataSummary | null>;
  /** The vocabulary of a job's data; null: that is not to be counted while somebody waits. */
  count(request: VocabularyRequest, signal: CallSignal): Promise<VocabularyCount | null>;
  /** What the beginning of a job's data becomes. */
  preview(spec: JobSpec, path: string, signal: CallSignal): Promise<DataPreview>;
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

  const start = (task: Task, signal: CallSignal): InferenceCall => {
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
    const span = tracing.start(`inference ${task.type}`);
    return new InferenceCall({ id: nextId++, task, work, thread, used, signal, span, metrics });
  };
  /** For all tasks that answer nothing before their result. */
  const ask = async <Result>(task: Task, signal: CallSignal): Promise<Result> =>
    (await start(task, signal).chunks.next()).value as Result;

  return {
    complete(model, options, signal) {
      let call: InferenceCall | null = null;
      const chunks: Chunks = {
        next() {
          try {
            call ??= start({ type: 'complete', model, options }, signal);
          } catch (error) {
            return Promise.reject(error);
          }
          return call.chunks.next() as ReturnType<Chunks['next']>;
        },
        async return(result) {
          call?.cancel();
          return { done: true, value: await result! };
        },
        [Symbol.asyncIterator]: () => chunks,
      };
      return chunks;
    },
    score: (model, options, signal) => ask<ScoredText[]>({ type: 'score', model, options }, signal),
    activations: (model, options, signal) =>
      ask<Activations>({ type: 'activations', model, options }, signal),
    predict: (model, options, signal) => ask<Prediction[]>({ type: 'predict', model, options }, signal),
    exportCheckpoint: (model, signal) => ask<Uint8Array>({ type: 'export', model }, signal),
    inspect: (file, limits, signal) => ask<InspectedWeights>({ type: 'inspect', file, limits }, signal),
    check: (task, signal) => ask<DataSummary | null>({ type: 'check', task }, signal),
    count: (request, signal) => ask<VocabularyCount | null>({ type: 'count', request }, signal),
    preview: (spec, path, signal) => ask<DataPreview>({ type: 'preview', spec, path }, signal),
    async close() {
      closing = true;
      await threads.close();
    },
  };
};
