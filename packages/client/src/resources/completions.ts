import type {
  CompletionRequestInput,
  CompletionResource,
  ErrorEnvelope,
  PromptInput,
} from '@unfold/contracts';
import { isEnvelope, UnfoldError } from '../errors.ts';
import type { CallOptions, Http } from '../http.ts';
import { readEvents } from '../streams/server-sent-events.ts';

/** What is to be written; only `model` is required. `stream` is said by the method. */
export type CompletionOptions = Omit<CompletionRequestInput, 'prompt' | 'stream'> & {
  prompt?: PromptInput | null | undefined;
};

export interface Completions {
  create(request: CompletionOptions, options?: CallOptions): Promise<CompletionResource>;
  /** The same token by token. Who leaves the loop ends the call. */
  stream(request: CompletionOptions, options?: CallOptions): AsyncIterable<CompletionResource>;
}

export const createCompletions = (http: Http): Completions => {
  const path = '/v1/completions';
  return {
    // Not repeated when the connection breaks: a session would go on twice.
    create: (request, options) =>
      http.call(path, { ...options, method: 'POST', json: request, repeatable: request.session == null }),
    async *stream(request, { signal } = {}) {
      const answer = await http.send(path, { method: 'POST', json: { ...request, stream: true }, signal });
      for await (const chunk of readEvents<CompletionResource | ErrorEnvelope>(answer, signal)) {
        if (isEnvelope(chunk)) throw new UnfoldError(500, chunk);
        yield chunk;
      }
    },
  };
};
