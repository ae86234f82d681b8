import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import type { Target } from './target.ts';

/** More of an answer is not read: nobody looks at it. */
const answerBytes = 16_384;

/** What a receiver said. */
export interface Answer {
  status: number;
  /** As it was sent. */
  retryAfter: string | null;
}

/**
 * Posts a body on a connection of its own and resolves with the answer when that has ended. Its body is
 * thrown away, and cut where it is long. Node's own client follows no redirect and asks no proxy.
 * @param signal ends everything; once there is a status, it counts all the same
 */
export const post = (
  { url, lookup }: Target,
  headers: Record<string, string>,
  body: string,
  signal: AbortSignal,
): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const request = url.protocol === 'https:' ? requestHttps : requestHttp;
    const call = request(url, {
      method: 'POST',
      headers: { ...headers, 'content-length': String(Buffer.byteLength(body)) },
      agent: false,
      signal,
      ...(lookup ? { lookup } : {}),
    });
    let answer: Answer | null = null;
    const end = (error: Error): void => (answer === null ? reject(error) : resolve(answer));
    call.on('error', end);
    call.on('response', (response) => {
      const { statusCode = 0, headers } = response;
      const answered = { status: statusCode, retryAfter: headers['retry-after'] ?? null };
      answer = answered;
      let received = 0;
      response.on('error', end).on('close', () => resolve(answered));
      response.on('data', (chunk: Buffer) => {
        received += chunk.length;
        if (received > answerBytes) response.destroy();
      });
    });
    call.end(body);
  });
