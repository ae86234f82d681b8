import type { CompletionChunk } from '@unfold/rnn';
import type { ChunksMessage, FromThread } from './protocol.ts';

/** What a thread has to tell: all of a turn goes out together, since a message costs as much as several tokens do. */
export interface Outbox {
  chunk(id: number, chunk: CompletionChunk): void;
  /** Told after the chunks of its turn. */
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

export const createOutbox = (send: (messages: FromThread[]) => void): Outbox => {
  let messages: FromThread[] = [];
  let chunks: ChunksMessage | null = null;

  const flush = (): void => {
    const waiting = messages;
    messages = [];
    chunks = null;
    send(waiting);
  };

  const post = (message: FromThread): void => {
    // Before the next step, which waits for its own turn.
    if (messages.length === 0) setImmediate(flush);
    messages.push(message);
  };

  const chunksOfTurn = (): ChunksMessage => {
    if (chunks === null) {
      chunks = emptyMessage();
      post(chunks);
    }
    return chunks;
  };

  return {
    chunk(id, { index, text, finish_reason, logprobs }) {
      const all = chunksOfTurn();
      if (logprobs) all.logprobs ??= new Array(all.ids.length).fill(null);
      all.ids.push(id);
      all.indices.push(index);
      all.texts.push(text);
      all.reasons.push(finish_reason);
      all.logprobs?.push(logprobs);
    },
    post,
  };
};
