import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import type { Target } from './target.ts';

/** More of an answer is not read: nobody looks at it. */
const answerBytes = 16_384;

/**
 * Posts a body on a connection of its own and resolves with the status of the answer, whose body is thrown away. Node's
 * own client follows no redirect and asks no proxy.
 * @param signal ends everything, the reading of the answer too
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
    // After the answer has begun this rejects nothing any more.
    call.on('error', reject);
    call.on('response', (response) => {
      let received = 0;
      response.on('error', () => undefined);
      response.on('data', (chunk: Buffer) => {
        received += chunk.length;
        if (received > answerBytes) response.destroy();
      });
      resolve(response.statusCode ?? 0);
    });
    call.end(body);
  });
