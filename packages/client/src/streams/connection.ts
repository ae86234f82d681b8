import { abandon, WebSocket } from '#websocket';
import type { CallOptions } from '../http.ts';

/** Messages that may wait to be read; a reader that is further behind is connected again when it has caught up. */
export const mostWaiting = 10_000;

/** Close codes that are told apart; the others mean a connection that broke. */
export const closed = { finished: 1000, misunderstood: 1008, behind: -1 } as const;

export type ConnectionEvent =
  | { type: 'open' }
  | { type: 'message'; data: unknown }
  /** Nothing came for `quietMs`: the connection may be dead without anybody having said so. */
  | { type: 'quiet' }
  | { type: 'closed'; code: number };

export interface Connection {
  send(message: unknown): void;
  /** In order; the last is `closed`. Leaving the loop ends the connection. */
  events: AsyncGenerator<ConnectionEvent, void>;
}

export interface ConnectionOptions extends CallOptions {
  apiKey: string | null;
  quietMs: number;
}

/** `http://host/path`, or a path of the page's own host, as the address of a socket. */
export const socketAddress = (address: string): string =>
  new URL(address, globalThis.location?.href).href.replace(/^http/, 'ws');

const protocolsFor = (apiKey: string | null): string[] =>
  // Browsers cannot set headers on sockets.
  ['unfold.v1', ...(apiKey === null ? [] : [`unfold.key.${apiKey}`])];

/** One WebSocket whose messages wait, in bounded number, for a loop that reads them. */
export const openConnection = (address: string, options: ConnectionOptions): Connection => {
  const { apiKey, quietMs, signal } = options;
  const waiting: ConnectionEvent[] = [];
  let wake: () => void = () => {};
  let over = false;
  let quiet: ReturnType<typeof setTimeout> | undefined;
  const socket = new WebSocket(socketAddress(address), protocolsFor(apiKey));

  const tell = (event: ConnectionEvent): void => {
    if (over) return;
    clearTimeout(quiet);
    waiting.push(event);
    if (event.type === 'closed') over = true;
    else quiet = setTimeout(() => tell({ type: 'quiet' }), quietMs);
    wake();
  };
  const leave = (code: number): void => {
    tell({ type: 'closed', code });
    abandon(socket);
  };
  socket.onopen = () => tell({ type: 'open' });
  socket.onmessage = ({ data }) => {
    if (waiting.length >= mostWaiting) leave(closed.behind);
    else tell({ type: 'message', data: JSON.parse(String(data)) });
  };
  // A failed connection is closed as well, which is what counts; Node's sockets throw where nobody listens.
  socket.onerror = () => {};
  socket.onclose = ({ code }) => tell({ type: 'closed', code });

  async function* read(): AsyncGenerator<ConnectionEvent, void> {
    const aborted = (): void => wake();
    signal?.addEventListener('abort', aborted);
    try {
      for (;;) {
        signal?.throwIfAborted();
        const event = waiting.shift();
        if (event === undefined) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
          continue;
        }
        yield event;
        if (event.type === 'closed') return;
      }
    } finally {
      signal?.removeEventListener('abort', aborted);
      leave(closed.behind);
    }
  }

  return {
    send: (message) => {
      if (socket.readyState === socket.OPEN) socket.send(JSON.stringify(message));
    },
    events: read(),
  };
};
