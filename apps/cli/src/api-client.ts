import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import type {
  CompletionResource,
  ErrorEnvelope,
  FileResource,
  Frame,
  JobResource,
  JobSpecInput,
  Page,
  PredictResource,
  SessionResource,
} from '@unfold/contracts';
import { WebSocket } from 'ws';
import { CommandError } from './command-error.ts';

const reconnectMs = 500;

/** Options by the names of the API, which says what is wrong with them. */
export interface CompletionRequest {
  model: string;
  prompt: string;
  [option: string]: unknown;
}

/** What the commands need of the API. Errors are `CommandError`s with the text of the API. */
export interface ApiClient {
  readonly url: string;
  upload(filename: string, content: Uint8Array<ArrayBuffer>): Promise<FileResource>;
  submit(spec: JobSpecInput): Promise<JobResource>;
  job(id: string): Promise<JobResource>;
  cancel(id: string): Promise<void>;
  /** Every frame once, in order, across lost connections, until the job has ended. */
  follow(id: string): AsyncGenerator<Frame>;
  complete(request: CompletionRequest): Promise<CompletionResource>;
  /** The text of the one choice as it is generated. */
  stream(request: CompletionRequest): AsyncGenerator<string>;
  /** @param input one sequence or a list of them; the API says what is wrong with it */
  predict(model: string, input: unknown): Promise<PredictResource>;
  createSession(model: string): Promise<SessionResource>;
  forkSession(id: string): Promise<SessionResource>;
  deleteSession(id: string): Promise<void>;
  /** Newest first, page after page. @param model only those of this model */
  sessions(model?: string): AsyncGenerator<SessionResource>;
}

const failureOf = async (answer: Response): Promise<CommandError> => {
  const text = await answer.text();
  try {
    return new CommandError((JSON.parse(text) as ErrorEnvelope).error.message);
  } catch {
    return new CommandError(`${answer.url} answered ${answer.status}.`);
  }
};

export const createApiClient = (url: string, key: string | null): ApiClient => {
  const headers: Record<string, string> = key === null ? {} : { authorization: `Bearer ${key}` };

  const call = async (path: string, init: RequestInit = {}): Promise<Response> => {
    const answer = await fetch(`${url}${path}`, { ...init, headers: { ...headers, ...init.headers } }).catch(
      (error: unknown) => {
        throw new CommandError(`${url} cannot be reached: ${String((error as Error).cause ?? error)}`);
      },
    );
    if (!answer.ok) throw await failureOf(answer);
    return answer;
  };
  const post = (path: string, body?: unknown): Promise<Response> =>
    call(path, {
      method: 'POST',
      ...(body === undefined
        ? {}
        : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });
  const answered = async <T>(answer: Promise<Response>): Promise<T> => (await (await answer).json()) as T;

  /** The frames of one connection; returns the code with which it was closed. */
  async function* connect(id: string, after: number): AsyncGenerator<Frame, number> {
    const socket = new WebSocket(`${url.replace(/^http/, 'ws')}/v1/jobs/${id}/stream?after=${after}`, {
      headers,
    });
    const frames: Frame[] = [];
    let closed: number | null = null;
    let wake: () => void = () => {};
    socket.on('message', (data) => {
      frames.push(JSON.parse(String(data)) as Frame);
      wake();
    });
    // A failed connection is closed as well, which is what counts.
    socket.on('error', () => undefined);
    socket.on('close', (code) => {
      closed = code;
      wake();
    });
    try {
      for (;;) {
        yield* frames.splice(0);
        if (frames.length > 0) continue;
        if (closed !== null) return closed;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    } finally {
      socket.terminate();
    }
  }

  async function* follow(id: string): AsyncGenerator<Frame> {
    let seq = 0;
    for (;;) {
      const connection = connect(id, seq);
      for (;;) {
        const next = await connection.next();
        if (next.done) {
          if (next.value === 1000) return;
          break;
        }
        seq = next.value.seq;
        yield next.value;
      }
      await new Promise((resolve) => setTimeout(resolve, reconnectMs));
    }
  }

  return {
    url,
    upload: (filename, content) => {
      const form = new FormData();
      form.set('purpose', 'training');
      form.set('file', new Blob([content]), filename);
      return answered(call('/v1/files', { method: 'POST', body: form }));
    },
    submit: (spec) => answered(post('/v1/jobs', spec)),
    job: (id) => answered(call(`/v1/jobs/${id}`)),
    cancel: async (id) => void (await post(`/v1/jobs/${id}/cancel`)),
    follow,
    predict: (model, input) => answered(post(`/v1/models/${encodeURIComponent(model)}/predict`, { input })),
    createSession: (model) => answered(post('/v1/sessions', { model })),
    forkSession: (id) => answered(post(`/v1/sessions/${encodeURIComponent(id)}/fork`)),
    deleteSession: async (id) =>
      void (await call(`/v1/sessions/${encodeURIComponent(id)}`, { method: 'DELETE' })),
    sessions: async function* (model) {
      const query = new URLSearchParams({ limit: '100', ...(model !== undefined && { model }) });
      for (;;) {
        const page = await answered<Page<SessionResource>>(call(`/v1/sessions?${query}`));
        yield* page.data;
        const last = page.data.at(-1);
        if (!page.has_more || last === undefined) return;
        query.set('after', last.id);
      }
    },
    complete: (request) => answered(post('/v1/completions', request)),
    stream: async function* (request) {
      const answer = await post('/v1/completions', { ...request, stream: true });
      const lines = createInterface({ input: Readable.fromWeb(answer.body as ReadableStream) });
      for await (const line of lines) {
        if (!line.startsWith('data: ') || line === 'data: [DONE]') continue;
        const chunk = JSON.parse(line.slice('data: '.length)) as CompletionResource & Partial<ErrorEnvelope>;
        if (chunk.error) throw new CommandError(chunk.error.message);
        yield chunk.choices[0]?.text ?? '';
      }
    },
  };
};
