import type { FileResource } from '@unfold/contracts';
import { errorOf } from './errors.ts';
import { type CreateOptions, type Http, newIdempotencyKey, retryDelayMs, unreachable } from './http.ts';
import { wait } from './wait.ts';

export interface UploadOptions extends CreateOptions {
  filename: string;
  /** A label. Default: `training`. */
  purpose?: FileResource['purpose'];
  /** After how many seconds the file deletes itself. Default: never. */
  expiresAfterSeconds?: number | undefined;
  /** Bytes of the content that were sent so far, of how many. A repeated attempt begins at 0 again. */
  onProgress?: ((sent: number, total: number) => void) | undefined;
}

const path = '/v1/files';

const formOf = (content: Blob, options: UploadOptions): FormData => {
  const form = new FormData();
  // Fields first, so that the server knows them when the file comes.
  form.set('purpose', options.purpose ?? 'training');
  if (options.expiresAfterSeconds !== undefined) {
    form.set('expires_after[anchor]', 'created_at');
    form.set('expires_after[seconds]', String(options.expiresAfterSeconds));
  }
  form.set('file', content, options.filename);
  return form;
};

/** A body that counts what is taken of it; boundaries and names are a little more than the content. */
const counted = (form: FormData, total: number, onProgress: (sent: number, total: number) => void) => {
  const encoded = new Response(form);
  let taken = 0;
  const count = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      taken += chunk.byteLength;
      onProgress(Math.min(taken, total), total);
      controller.enqueue(chunk);
    },
  });
  return {
    body: (encoded.body as ReadableStream<Uint8Array>).pipeThrough(count),
    headers: { 'content-type': encoded.headers.get('content-type') as string },
    duplex: 'half' as const,
  };
};

/** One attempt by XMLHttpRequest, which alone tells a page how much was sent. */
const sendByRequest = (
  http: Http,
  form: FormData,
  total: number,
  options: UploadOptions,
): Promise<Response> =>
  new Promise((resolve, reject) => {
    const { signal, onProgress, idempotencyKey } = options;
    const request = new XMLHttpRequest();
    request.open('POST', http.address(path));
    for (const [name, value] of Object.entries(http.headers)) request.setRequestHeader(name, value);
    if (idempotencyKey !== undefined) request.setRequestHeader('idempotency-key', idempotencyKey);
    request.upload.onprogress = ({ loaded }) => onProgress?.(Math.min(loaded, total), total);
    const abort = (): void => request.abort();
    signal?.addEventListener('abort', abort);
    request.onloadend = () => {
      signal?.removeEventListener('abort', abort);
      if (signal?.aborted) reject(signal.reason);
      else if (request.status === 0) reject(new TypeError('the connection broke'));
      else {
        const headers = new Headers();
        for (const line of request.getAllResponseHeaders().split('\r\n')) {
          const [name, value] = line.split(/: (.*)/s);
          if (name) headers.set(name, value ?? '');
        }
        resolve(new Response(request.responseText, { status: request.status, headers }));
      }
    };
    request.send(form);
  });

const uploadByRequest = async (http: Http, content: Blob, options: UploadOptions): Promise<FileResource> => {
  for (let attempt = 0; ; attempt += 1) {
    options.signal?.throwIfAborted();
    let answer: Response | null = null;
    let failure: unknown;
    try {
      answer = await sendByRequest(http, formOf(content, options), content.size, options);
    } catch (error) {
      options.signal?.throwIfAborted();
      failure = error;
    }
    if (answer?.ok) return (await answer.json()) as FileResource;
    const delay = retryDelayMs(attempt, http.maxRetries, true, answer);
    if (delay === null) throw answer ? await errorOf(answer) : unreachable(http.address(''), failure);
    await wait(delay, options.signal);
  }
};

/** Uploads a file, in Node without holding it in memory if the blob does not (`openAsBlob`). */
export const upload = (http: Http, content: Blob, given: UploadOptions): Promise<FileResource> => {
  const options = { ...given, idempotencyKey: given.idempotencyKey ?? newIdempotencyKey() };
  const { onProgress, idempotencyKey, signal } = options;
  if (onProgress && typeof XMLHttpRequest !== 'undefined') return uploadByRequest(http, content, options);
  const form = (): FormData => formOf(content, options);
  return http.call<FileResource>(path, {
    method: 'POST',
    idempotencyKey,
    signal,
    body: () => (onProgress ? counted(form(), content.size, onProgress) : { body: form() }),
  });
};
