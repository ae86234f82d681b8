import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import type { Target } from './target.ts';

/** More of an answer is not read: nobody looks at it. */
const answerBytes = 16_384;

/**
 * Posts a body on a connection of its own and resolves with the status of the answer when that has ended. Its body is
 * thrown away, and cut where it is long. Node's own client follows no redirect and asks no proxy.
 * @param signal ends everything; once there is a status, it counts all the same
 */
export const post = (
  { url, lookup }: Target,
  headers: Record<string, string>,
  body: string,
  signal: AbortSignal,
): Promise<number> =>
  new Promise((resolve, reject) => {
    const request = url.protocol === 'https:' ? requestHttps : requestHttp;
    const call = request(url, {
      method: 'POST',
      headers: { ...headers, 'content-length': String(Buffer.byteLength(body)) },
      agent: false,
      signal,
      ...(lookup ? { lookup } : {}),
    });
    let status: number | null = null;
    const end = (error: Error): void => (status === null ? reject(error) : resolve(status));
    call.on('error', end);
    call.on('response', (response) => {
      const { statusCode = 0 } = response;
      status = statusCode;
      let received = 0;
      response.on('error', end).on('close', () => resolve(statusCode));
      response.on('data', (chunk: Buffer) => {
        received += chunk.length;
        if (received > answerBytes) response.destroy();
      });
    });
    call.end(body);
  });
