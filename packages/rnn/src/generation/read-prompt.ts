import type { StateValues } from '../model/recurrent-state.ts';
import type { Owner } from './owner.ts';
import type { PrefixCache } from './prefix-cache.ts';
import type { Prompt } from './prompt-queue.ts';
import { type Reading, readingBorder } from './prompt-reader.ts';
import type { StreamBatch } from './stream-batch.ts';

export interface PromptRequest {
  owner: Owner;
  batch: StreamBatch;
  ids: Int32Array;
  context: Reading['context'];
  /** Where it goes on from, and t there; null: from the beginning. */
  from: { state: StateValues; position: number } | null;
  /** Whether it is read step by step, by the stream itself. */
  stepwise: boolean;
  hear: Reading['hear'];
  /** States of texts that begin alike, and who may share them; null: none are kept. Only from the beginning. */
  cache: { states: PrefixCache; scope(): string } | null;
}

export interface ReadPrompt {
  state: StateValues;
  /** Ids that were read: all but the last, which is read with the streams since what follows it is asked for. */
  read: number;
  /** How many of them another text had in common. */
  cached: number;
}

/** Has a prompt read beside everything else that its network does: at once where nothing is to be read. Never resolves once its owner is over. */
export const readPrompt = (request: PromptRequest): ReadPrompt | Promise<ReadPrompt> => {
  const { owner, batch, context, from } = request;
  if (owner.over) return new Promise(() => {});
  const first = from?.state ?? batch.firstState(context);
  return first instanceof Promise
    ? first.then((state) => readFrom(request, state))
    : readFrom(request, first);
};

const readFrom = (request: PromptRequest, first: StateValues): ReadPrompt | Promise<ReadPrompt> => {
  const { owner, batch, ids, context, from, stepwise, hear } = request;
  const until = stepwise ? 0 : Math.max(0, ids.length - 1);
  if (until === 0) return { state: first, read: 0, cached: 0 };
  const states = from ? undefined : request.cache?.states;
  const scope = states ? request.cache!.scope() : '';
  // Whoever wants to hear everything reads everything.
  const known = hear ? null : (states?.find(scope, ids, until) ?? null);
  const cached = known?.length ?? 0;
  if (cached === until) return { state: known!.state, read: until, cached };
  const writer = states?.writer(scope, ids);
  return new Promise((resolve) => {
    const prompt: Prompt = {
      owner,
      ids,
      read: cached,
      until,
      state: known?.state ?? first,
      position: from?.position ?? 0,
      context,
      hear,
      progressed() {
        if (prompt.read === until || prompt.read % readingBorder === 0)
          writer?.add(prompt.read, prompt.state);
      },
      done: () => resolve({ state: prompt.state, read: until, cached }),
    };
    batch.read(prompt);
  });
};
