import type { FastifyReply } from 'fastify';

/** Server-sent events with bounded memory: what the client does not read, is not written. */
export interface EventStream {
  /** False: full; write nothing more before `ready` has resolved. */
  write(text: string): boolean;
  /** Resolves when there is room, or the stream is over. A client that takes nothing for `stallMs` is cut off. */
  ready(): Promise<void>;
  end(): void;
  /** Aborted when the stream is over, whoever ended it. */
  over: AbortSignal;
}

interface Options {
  /** Between comments that keep proxies from closing a quiet stream. */
  pingMs: number;
  stallMs: number;
  /** Ends the stream, unless its owner does so. */
  closing?: AbortSignal;
}

/** Characters that may wait for one client, here and in its connection. */
const mostWaiting = 64 * 1024;
/**
 * What follows a write within this time goes out with the next: a write costs as much as many tokens do, and nobody reads as fast. What follows
 * later goes out at once.
 */
const gatherMs = 20;

/**
 * Begins an event stream as the answer. Writes straight to the connection, past Fastify's streams, which would touch
 * every event once more.
 */
export const openEventStream = (reply: FastifyReply, { pingMs, stallMs, closing }: Options): EventStream => {
  const { raw } = reply;
  const over = new AbortController();
  let waiting = '';
  let scheduled = false;
  let writtenAt = Number.NEGATIVE_INFINITY;

  const flush = (): void => {
    scheduled = false;
    if (waiting === '' || over.signal.aborted) return;
    const text = waiting;
    waiting = '';
    writtenAt = performance.now();
    raw.write(text);
  };
  const schedule = (): void => {
    scheduled = true;
    const gathering = writtenAt + gatherMs - performance.now();
    if (gathering > 0) setTimeout(flush, gathering);
    else setImmediate(flush);
  };
  const write = (text: string): boolean => {
    if (over.signal.aborted) return true;
    waiting += text;
    if (!scheduled) schedule();
    return waiting.length + raw.writableLength < mostWaiting;
  };
  const end = (): void => {
    flush();
    raw.end();
  };
  const ping = setInterval(() => {
    if (!raw.writableNeedDrain) write(': ping\n\n');
  }, pingMs).unref();
  const close = (): void => {
    clearInterval(ping);
    closing?.removeEventListener('abort', end);
    over.abort();
  };

  /** Until the connection has taken everything, or is gone. */
  const drained = (): Promise<void> =>
    new Promise((resolve) => {
      let left = raw.writableLength;
      const watch = setInterval(() => {
        if (raw.writableLength >= left) raw.destroy();
        left = raw.writableLength;
      }, stallMs).unref();
      const done = (): void => {
        clearInterval(watch);
        raw.off('drain', done).off('close', done);
        resolve();
      };
      raw.once('drain', done).once('close', done);
    });

  reply
    .header('content-type', 'text/event-stream; charset=utf-8')
    .header('cache-control', 'no-store')
    .header('x-accel-buffering', 'no')
    .hijack();
  raw.once('close', close);
  // The client went away; there is nobody to tell.
  raw.on('error', () => {});
  raw.writeHead(200, reply.getHeaders() as Record<string, string>);
  write(': open\n\n');
  closing?.addEventListener('abort', end);
  if (raw.destroyed) close();
  else if (closing?.aborted) end();

  return {
    write,
    async ready() {
      flush();
      if (raw.writableNeedDrain && !over.signal.aborted) await drained();
    },
    end,
    over: over.signal,
  };
};
