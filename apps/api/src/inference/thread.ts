import { setImmediate as nextTurn } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { type ErrorCode, errorCatalogue } from '@unfold/contracts';
import { createBackend, exportWeights, type LanguageModel } from '@unfold/rnn';
import { inspectFile } from './inspect-file.ts';
import { createLoadedModels, readVerified } from './loaded-models.ts';
import {
  creditWindow,
  type FromThread,
  type GenerateOptions,
  type GenerateResult,
  type ScoredText,
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

const generate = async (
  call: Call,
  model: LanguageModel,
  options: GenerateOptions,
): Promise<GenerateResult> => {
  let completionTokens = 0;
  for await (const token of model.generate({ ...options, signal: call.abort.signal })) {
    completionTokens += 1;
    post({
      type: 'token',
      id: call.id,
      token: { text: replaceUnstorable(token.text), finish_reason: token.finish_reason ?? null },
    });
    call.credit -= 1;
    // Between tokens the generator gives other calls, and cancellations, their turn.
    await waitForCredit(call);
    if (call.abort.signal.aborted) break;
  }
  return { prompt_tokens: model.countTokens(options.prompt), completion_tokens: completionTokens };
};

const score = async (call: Call, model: LanguageModel, texts: string[]): Promise<ScoredText[]> => {
  const scored: ScoredText[] = [];
  for (const text of texts) {
    await nextTurn();
    if (call.abort.signal.aborted) break;
    const result = await model.score(text);
    scored.push({ ...result, tokens: result.tokens.map(replaceUnstorable) });
  }
  return scored;
};

const models = createLoadedModels(await createBackend(data.engine, { threads: 1 }), data.memory_bytes);

const run = (call: Call, task: Task): Promise<unknown> => {
  switch (task.type) {
    case 'generate':
      return models.with(task.model, (model) => generate(call, model, task.options));
    case 'score':
      return models.with(task.model, (model) => score(call, model, task.texts));
    case 'export':
      return readVerified(task.model).then(exportWeights);
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
  else call.credit += message.tokens;
  call.wake?.();
  call.wake = null;
});
