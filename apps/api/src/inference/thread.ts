import { parentPort, workerData } from 'node:worker_threads';
import { type ErrorCode, errorCatalogue, UnfoldError } from '@unfold/contracts';
import {
  type Completion,
  checkData,
  countVocabulary,
  createBackend,
  exportWeights,
  LanguageModel,
  Predictor,
  PrefixCache,
  previewData,
} from '@unfold/rnn';
import { inspectFile } from './inspect-file.ts';
import { createLoadedModels, readVerified, type ServedModel } from './loaded-models.ts';
import { createOutbox } from './outbox.ts';
import { predict } from './predict.ts';
import {
  type CompletionOptions,
  type CompletionResult,
  creditWindow,
  type FromThread,
  type SentTask,
  type ThreadData,
  type ToThread,
} from './protocol.ts';
import { createStepCounts } from './step-counts.ts';
import { allOptions } from './usual-options.ts';

interface Call {
  id: number;
  cancelled: boolean;
  /** Where its task asked for a signal: most do not, and making one costs as much as much else of a short call. */
  abort: AbortController | null;
  /** Of a call for completions, once its model is there. */
  completion: Completion | null;
}

const port = parentPort!;
const data = workerData as ThreadData;
const calls = new Map<number, Call>();
const outbox = createOutbox((messages) => port.postMessage(messages));
const cache = new PrefixCache(data.cache_bytes);

const complete = (
  call: Call,
  model: LanguageModel,
  options: CompletionOptions,
): Promise<CompletionResult> => {
  const completion = model.complete(options, (chunk) => outbox.chunk(call.id, chunk), {
    cache,
    credit: creditWindow,
  });
  call.completion = completion;
  if (call.cancelled) completion.cancel(0);
  return completion.result;
};

const signalOf = (call: Call): AbortSignal => {
  call.abort ??= new AbortController();
  if (call.cancelled) call.abort.abort();
  return call.abort.signal;
};

const models = createLoadedModels(
  await createBackend(data.engine, { threads: 1 }),
  (model, bytes) => outbox.post({ type: 'held', model, bytes }),
  createStepCounts((steps) => outbox.post({ type: 'stepped', steps })),
);

const ofWrongTask = ({ spec }: ServedModel, param: string, can: string, route: string): UnfoldError =>
  new UnfoldError(
    'invalid_value',
    `${param}: expected a model that ${can}, but this one was trained for ${JSON.stringify(spec.task)}: ask ${route}.`,
    { param },
  );

/** @param param the field that named the model */
const requireWriter = (model: ServedModel, param: string): LanguageModel => {
  if (model instanceof LanguageModel) return model;
  throw ofWrongTask(model, param, 'writes text', 'POST /v1/models/:id/predict');
};

const requirePredictor = (model: ServedModel, param: string): Predictor => {
  if (model instanceof Predictor) return model;
  throw ofWrongTask(model, param, 'answers for a sequence', 'POST /v1/completions');
};

const run = (call: Call, task: SentTask): Promise<unknown> => {
  switch (task.type) {
    case 'complete':
      return models.with(task.model, (model) =>
        complete(call, requireWriter(model, 'model'), allOptions(task.options)),
      );
    case 'score':
      return models.with(task.model, (model) =>
        requireWriter(model, 'id').scoreAll(
          task.options.texts,
          task.options.context ?? undefined,
          signalOf(call),
        ),
      );
    case 'activations': {
      const { text, context, ...options } = task.options;
      return models.with(task.model, (model) =>
        requireWriter(model, 'id').activations(
          text,
          { ...options, ...(context !== null && { context }) },
          signalOf(call),
        ),
      );
    }
    case 'predict':
      return models.with(task.model, (model) =>
        predict(requirePredictor(model, 'id'), task.options, signalOf(call)),
      );
    case 'export':
      return readVerified(task.model).then(exportWeights);
    case 'check':
      return checkData({
        spec: task.task.spec,
        data: task.task.data.path,
        validation: task.task.validation?.path ?? null,
        longestSequence: task.task.longest_sequence,
        interrupted: () => call.cancelled,
      });
    case 'count':
      return countVocabulary(task.request);
    case 'preview':
      return previewData(task.spec, task.path);
    case 'inspect':
      return inspectFile(task.file, task.limits);
  }
};

const describe = (error: unknown): Extract<FromThread, { type: 'failed' }>['error'] => {
  const { code, message, param, stack } = error as {
    code?: string;
    message?: string;
    param?: string;
    stack?: string;
  };
  if (code !== undefined && code in errorCatalogue)
    return { code: code as ErrorCode, message: message ?? code, param: param ?? null, detail: null };
  return {
    code: 'internal',
    message: 'Something went wrong on this side; the log knows more.',
    param: null,
    detail: stack ?? String(error),
  };
};

const start = async (id: number, task: SentTask): Promise<void> => {
  const call: Call = { id, cancelled: false, abort: null, completion: null };
  calls.set(id, call);
  try {
    outbox.post({ type: 'done', id, result: await run(call, task) });
  } catch (error) {
    outbox.post({ type: 'failed', id, error: describe(error) });
  } finally {
    calls.delete(id);
  }
};

const receive = (message: ToThread): void => {
  switch (message.type) {
    case 'start':
      void start(message.id, message.task);
      return;
    case 'unload':
      models.unload(message.model);
      return;
    case 'credit':
      calls.get(message.id)?.completion?.give(message.chunks);
      return;
    case 'cancel': {
      const call = calls.get(message.id);
      if (call === undefined) return;
      call.cancelled = true;
      call.abort?.abort();
      call.completion?.cancel(message.taken);
    }
  }
};

port.on('message', (messages: ToThread[]) => {
  for (const message of messages) receive(message);
});
