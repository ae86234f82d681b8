import { EventSourceParserStream } from 'eventsource-parser/stream';
import { UnreachableError } from '../errors.ts';

/** The data of server-sent events, each as JSON, up to `[DONE]`. @throws UnreachableError if the stream ends without it */
export async function* readEvents<T>(answer: Response, signal?: AbortSignal): AsyncGenerator<T, void> {
  const { body } = answer;
  if (body === null) throw new UnreachableError('The answer has no body.');
  const events = body
    .pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>)
    .pipeThrough(new EventSourceParserStream());
  // Not every browser can loop over a stream.
  const reader = events.getReader();
  try {
    for (;;) {
      const { value, done } = await reader.read().catch((error: unknown) => {
        signal?.throwIfAborted();
        throw new UnreachableError('The stream broke off before its end.', error);
      });
      if (done) throw new UnreachableError('The stream broke off before its end.');
      if (value.data === '[DONE]') return;
      yield JSON.parse(value.data) as T;
    }
  } finally {
    // A reader who leaves early ends the call, too.
    await reader.cancel().catch(() => {});
  }
}
