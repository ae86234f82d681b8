import { setImmediate as nextTurn } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { type ErrorCode, errorCatalogue, UnfoldError } from '@unfold/contracts';
import { checkData, createBackend, exportWeights, LanguageModel, Predictor } from '@unfold/rnn';
import { inspectFile } from './inspect-file.ts';
import { createLoadedModels, readVerified, type ServedModel } from './loaded-models.ts';
import { predict } from './predict.ts';
import {
  type CompletionOptions,
  type CompletionResult,
  creditWindow,
  type FromThread,
  type ScoredText,
  type ScoreOptions,
  type Task,
  type ThreadData,
  type ToThread,
} from './protocol.ts';
import { replaceUnstorable } from './unstorable.ts';

interface Call {
  id: number;
  abort: AbortController;
  credit: number;
  wake: (() => void) | null;
}

const port = parentPort!;
const data = workerData as ThreadData;
const calls = new Map<number, Call>();
const post = (message: FromThread): void => port.postMessage(message);

/** Until the reader has taken some of what was sent. */
const waitForCredit = async (call: Call): Promise<void> => {
  while (call.credit <= 0 && !call.abort.signal.aborted)
    await new Promise<void>((resolve) => (call.wake = resolve));
};

/** @returns the prompt; refuses what is not there yet */
const requirePlain = (options: CompletionOptions): string => {
  const [prompt] = options.prompts;
  const refuse = (param: string): never => {
    throw new UnfoldError('invalid_value', `${param}: not supported yet.`, { param });
  };
  if (options.prompts.length !== 1 || typeof prompt !== 'string') return refuse('prompt');
  if (options.max_tokens < 1) refuse('max_tokens');
  for (const param of ['n', 'best_of'] as const) if (options[param] !== 1) refuse(param);
  for (const param of ['beam_width', 'logprobs', 'session'] as const)
    if (options[param] !== null) refuse(param);
  for (const param of ['echo', 'frequency_penalty', 'presence_penalty'] as const)
    if (options[param]) refuse(param);
  if (Object.keys(options.logit_bias ?? {}).length > 0) refuse('logit_bias');
  return prompt;
};

const complete = async (
  call: Call,
  model: LanguageModel,
  options: CompletionOptions,
): Promise<CompletionResult> => {
  const { max_tokens, temperature, top_k, top_p, stop, seed } = options;
  const prompt = requirePlain(options);
  let completionTokens = 0;
  for await (const token of model.generate({
    prompt,
    max_tokens,
    temperature,
    top_k,
    top_p,
    stop,
    seed,
    ...(options.context !== null && { context: options.context }),
    signal: call.abort.signal,
  })) {
    completionTokens += 1;
    const text = replaceUnstorable(token.text);
    const finish_reason = token.finish_reason ?? null;
    post({ type: 'chunk', id: call.id, chunk: { index: 0, text, finish_reason, logprobs: null } });
    call.credit -= 1;
    // Between tokens the generator gives other calls, and cancellations, their turn.
    await waitForCredit(call);
    if (call.abort.signal.aborted) break;
  }
  return {
    prompt_tokens: model.countTokens(prompt),
    completion_tokens: completionTokens,
    cached_tokens: 0,
    session: null,
  };
};

/** Gives other calls, and cancellations, their turn; false once this call was cancelled. */
const turnOf = (call: Call) => async (): Promise<boolean> => {
  await nextTurn();
  return !call.abort.signal.aborted;
};

const score = async (
  call: Call,
  model: LanguageModel,
  { texts, context }: ScoreOptions,
): Promise<ScoredText[]> => {
  const scored: ScoredText[] = [];
  const turn = turnOf(call);
  for (const text of texts) {
    if (!(await turn())) break;
    const result = await model.score(text, context ?? undefined);
    scored.push({ ...result, tokens: result.tokens.map(replaceUnstorable) });
  }
  return scored;
};

const models = createLoadedModels(await createBackend(data.engine, { threads: 1 }), data.memory_bytes);

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

const run = (call: Call, task: Task): Promise<unknown> => {
  switch (task.type) {
    case 'complete':
      return models.with(task.model, (model) => complete(call, requireWriter(model, 'model'), task.options));
    case 'score':
      return models.with(task.model, (model) => score(call, requireWriter(model, 'id'), task.options));
    case 'predict':
      return models.with(task.model, (model) =>
        predict(requirePredictor(model, 'id'), task.options, turnOf(call)),
      );
    case 'export':
      return readVerified(task.model).then(exportWeights);
    case 'check':
      return checkData({
        spec: task.task.spec,
        data: task.task.data.path,
        validation: task.task.validation?.path ?? null,
        longestSequence: task.task.longest_sequence,
        interrupted: () => call.abort.signal.aborted,
      });
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

const start = async (id: number, task: Task): Promise<void> => {
  const call: Call = { id, abort: new AbortController(), credit: creditWindow, wake: null };
  calls.set(id, call);
  try {
    post({ type: 'done', id, result: await run(call, task) });
  } catch (error) {
    post({ type: 'failed', id, error: describe(error) });
  } finally {
    calls.delete(id);
  }
};

port.on('message', (message: ToThread) => {
  if (message.type === 'start') return void start(message.id, message.task);
  const call = calls.get(message.id);
  if (call === undefined) return;
  if (message.type === 'cancel') call.abort.abort();
  else call.credit += message.chunks;
  call.wake?.();
  call.wake = null;
});
