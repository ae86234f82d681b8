import type { CompletionChunk } from '@unfold/rnn';
import type { ChunksMessage, FromThread } from './protocol.ts';

/** What a thread has to tell: the chunks of a step go out together, before anything that is told after them. */
export interface Outbox {
  chunk(id: number, chunk: CompletionChunk): void;
  post(message: FromThread): void;
}

const emptyMessage = (): ChunksMessage => ({
  type: 'chunks',
  ids: [],
  indices: [],
  texts: [],
  reasons: [],
  logprobs: null,
});

export const createOutbox = (send: (message: FromThread) => void): Outbox => {
  let waiting = emptyMessage();

  const flush = (): void => {
    if (waiting.ids.length === 0) return;
    send(waiting);
    waiting = emptyMessage();
  };

  return {
    chunk(id, { index, text, finish_reason, logprobs }) {
      // A step hears all of its streams without a pause: what it told is complete when it is over.
      if (waiting.ids.length === 0) queueMicrotask(flush);
      if (logprobs) waiting.logprobs ??= new Array(waiting.ids.length).fill(null);
      waiting.ids.push(id);
      waiting.indices.push(index);
      waiting.texts.push(text);
      waiting.reasons.push(finish_reason);
      waiting.logprobs?.push(logprobs);
    },
    post(message) {
      flush();
      send(message);
    },
  };
};
