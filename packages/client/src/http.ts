import { errorOf, UnreachableError } from './errors.ts';
import { backoffMs, wait } from './wait.ts';

export interface CallOptions {
  /** Aborts the call, which then rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
}

export interface CreateOptions extends CallOptions {
  /** The same key with the same request creates only once, within 24 hours. Default: another one each call. */
  idempotencyKey?: string | undefined;
}

/** A value of a query; nested ones become `name[key]=value`. */
export type Query = Record<string, string | number | boolean | undefined | null | Record<string, string>>;

export interface CallRequest extends CallOptions {
  method?: 'GET' | 'POST' | 'DELETE';
  query?: Query | undefined;
  /** Sent as JSON. */
  json?: unknown;
  /** Sent as it is, made anew for each attempt. */
  body?: () => Pick<RequestInit, 'body' | 'headers'> & { duplex?: 'half' };
  headers?: Record<string, string>;
  idempotencyKey?: string | undefined;
  /** Whether the call may be sent again when nobody knows whether it was carried out. Default: GET, or with an idempotency key. */
  repeatable?: boolean;
}

export interface HttpOptions {
  /** Where the service is, such as `http://127.0.0.1:8080`; empty in a page of its own. */
  baseUrl: string;
  apiKey?: string | null | undefined;
  fetch?: typeof fetch | undefined;
  /** How often a call is repeated that failed for a reason that may pass. Default: 2. */
  maxRetries?: number | undefined;
}

export interface Http {
  readonly apiKey: string | null;
  /** The whole address of a path. */
  address(path: string, query?: Query): string;
  /** What a request must say about who sends it. */
  readonly headers: Record<string, string>;
  readonly maxRetries: number;
  /** An answer of 2xx. @throws UnfoldError, UnreachableError, or the signal's reason */
  send(path: string, request?: CallRequest): Promise<Response>;
  /** The same, read as JSON. */
  call<T>(path: string, request?: CallRequest): Promise<T>;
}

/** A service that asks for more patience than this is not waited for. */
const mostRetryAfterMs = 20_000;
const firstRetryMs = 300;
const mostRetryMs = 5000;

/** A key that no other call has. Not `randomUUID`, which browsers have on secure pages only. */
export const newIdempotencyKey = (): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join(
    '',
  );

/** Milliseconds that an answer asks to wait, or null. */
const retryAfterMs = (answer: Response): number | null => {
  const header = answer.headers.get('retry-after');
  if (header === null) return null;
  const seconds = Number(header);
  const ms = Number.isNaN(seconds) ? Date.parse(header) - Date.now() : seconds * 1000;
  return Number.isNaN(ms) ? null : Math.max(0, ms);
};

/** Whether the same request may succeed later: nothing was done (429), or nobody knows and it may be repeated. */
const mayPass = (answer: Response, repeatable: boolean): boolean => {
  if (answer.headers.get('x-should-retry') === 'false') return false;
  return answer.status === 429 || (repeatable && [502, 503, 504].includes(answer.status));
};

/** Ways in which the caller of a failed attempt learns how long to wait, or that there is no use in it. */
export const retryDelayMs = (
  attempt: number,
  maxRetries: number,
  repeatable: boolean,
  answer: Response | null,
): number | null => {
  if (attempt >= maxRetries) return null;
  const standard = backoffMs(attempt, firstRetryMs, mostRetryMs);
  if (answer === null) return repeatable ? standard : null;
  if (!mayPass(answer, repeatable)) return null;
  const asked = retryAfterMs(answer) ?? standard;
  return asked > mostRetryAfterMs ? null : asked;
};

const addQuery = (parameters: URLSearchParams, query: Query): void => {
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined || value === null) continue;
    if (typeof value === 'object')
      for (const [key, entry] of Object.entries(value)) parameters.append(`${name}[${key}]`, entry);
    else parameters.append(name, String(value));
  }
};

export const createHttp = (options: HttpOptions): Http => {
  const base = options.baseUrl.replace(/\/+$/, '');
  const apiKey = options.apiKey ?? null;
  // The global is looked up at each call, and called without a receiver, as browsers demand.
  const request: typeof fetch = options.fetch ?? ((input, init) => fetch(input, init));
  const maxRetries = options.maxRetries ?? 2;
  const headers: Record<string, string> = apiKey === null ? {} : { authorization: `Bearer ${apiKey}` };

  const address = (path: string, query: Query = {}): string => {
    const parameters = new URLSearchParams();
    addQuery(parameters, query);
    return `${base}${path}${parameters.size > 0 ? `?${parameters}` : ''}`;
  };

  const send = async (path: string, call: CallRequest = {}): Promise<Response> => {
    const { method = 'GET', query, json, body, idempotencyKey, signal } = call;
    const repeatable = call.repeatable ?? (method === 'GET' || idempotencyKey !== undefined);
    const url = address(path, query);
    for (let attempt = 0; ; attempt += 1) {
      const content =
        body?.() ??
        (json === undefined
          ? {}
          : { body: JSON.stringify(json), headers: { 'content-type': 'application/json' } });
      const init = {
        ...content,
        method,
        signal: signal ?? null,
        headers: {
          ...headers,
          ...call.headers,
          ...(content.headers as Record<string, string>),
          ...(idempotencyKey !== undefined && { 'idempotency-key': idempotencyKey }),
        },
      };
      let answer: Response | null = null;
      let failure: unknown;
      try {
        answer = await request(url, init);
      } catch (error) {
        failure = error;
      }
      signal?.throwIfAborted();
      if (answer?.ok) return answer;
      const delay = retryDelayMs(attempt, maxRetries, repeatable, answer);
      if (delay === null) {
        if (answer) throw await errorOf(answer);
        throw unreachable(base, failure);
      }
      await answer?.body?.cancel();
      await wait(delay, signal);
    }
  };

  return {
    apiKey,
    address,
    headers,
    maxRetries,
    send,
    async call<T>(path: string, call?: CallRequest): Promise<T> {
      const answer = await send(path, call);
      try {
        return (await answer.json()) as T;
      } catch (error) {
        call?.signal?.throwIfAborted();
        throw new UnreachableError('The answer broke off before its end.', error);
      }
    },
  };
};

/** Node's fetch hides the reason in a chain of causes. */
const reasonOf = (error: unknown): string => {
  const { cause } = error as { cause?: unknown };
  if (cause instanceof AggregateError && cause.errors[0]) return reasonOf(cause.errors[0]);
  if (cause instanceof Error) return reasonOf(cause);
  return error instanceof Error ? error.message : String(error);
};

export const unreachable = (base: string, cause: unknown): UnreachableError =>
  new UnreachableError(`${base || 'The service'} cannot be reached: ${reasonOf(cause)}`, cause);
