import { PassThrough } from 'node:stream';
import type { FastifyReply } from 'fastify';

/** Server-sent events with bounded memory: what the client does not read, is not written. */
export interface EventStream {
  /** False: full; write nothing more before `ready` has resolved. */
  write(text: string): boolean;
  /** Resolves when there is room. A client that takes nothing for `stallMs` is cut off. */
  ready(): Promise<void>;
  end(): void;
  /** Aborted when the stream is over, whoever ended it. */
  over: AbortSignal;
}

interface Options {
  /** Between comments that keep proxies from closing a quiet stream. */
  pingMs: number;
  stallMs: number;
  closing: AbortSignal;
}

/** Begins an event stream as the answer; the headers leave at once. */
export const openEventStream = (reply: FastifyReply, { pingMs, stallMs, closing }: Options): EventStream => {
  const body = new PassThrough({ highWaterMark: 256 * 1024 });
  const over = new AbortController();
  const ping = setInterval(() => {
    if (!body.writableNeedDrain) body.write(': ping\n\n');
  }, pingMs).unref();
  const end = (): void => void body.end();

  body.once('close', () => {
    clearInterval(ping);
    closing.removeEventListener('abort', end);
    over.abort();
  });
  // The client went away; there is nobody to tell.
  body.on('error', () => {});
  closing.addEventListener('abort', end);

  reply
    .header('content-type', 'text/event-stream; charset=utf-8')
    .header('cache-control', 'no-store')
    .header('x-accel-buffering', 'no');
  body.write(': open\n\n');
  reply.send(body);
  if (closing.aborted) end();

  return {
    write: (text) => !body.writable || body.write(text),
    ready: () =>
      new Promise((resolve) => {
        if (!body.writableNeedDrain) return resolve();
        const stalled = setTimeout(() => body.destroy(), stallMs).unref();
        body.once('drain', () => {
          clearTimeout(stalled);
          resolve();
        });
        body.once('close', () => clearTimeout(stalled));
      }),
    end,
    over: over.signal,
  };
};
