import { closeCodes, toEnvelope, UnfoldError } from '@unfold/contracts';
import type { WebSocket } from 'ws';
import type { ApiMetrics } from '../metrics.ts';

export interface OpenSockets {
  /** Throws `overloaded` when no more sockets and event streams may open. */
  requireRoom(): void;
  /** Counts one until the answer of this is called. */
  enter(route: string): () => void;
  /** Counts a socket, pings it, and drops it when it no longer answers. */
  add(route: string, socket: WebSocket): void;
  closeAll(): Promise<void>;
}

interface Options {
  limit: number;
  metrics: Pick<ApiMetrics, 'sockets'>;
  pingMs: number;
}

/** How long peers may take to say goodbye at a restart. */
const farewellMs = 2000;

/** All sockets and event streams of this process: their number, their heartbeat, their end at a restart. */
export const createOpenSockets = ({ limit, metrics, pingMs }: Options): OpenSockets => {
  const sockets = new Set<WebSocket>();
  const silent = new WeakSet<WebSocket>();
  let open = 0;

  const beat = (): void => {
    for (const socket of sockets) {
      if (silent.has(socket)) {
        socket.terminate();
        continue;
      }
      silent.add(socket);
      socket.ping();
    }
  };
  const timer = setInterval(beat, pingMs).unref();

  const enter = (route: string): (() => void) => {
    let left = false;
    open += 1;
    metrics.sockets.inc({ route });
    return () => {
      if (left) return;
      left = true;
      open -= 1;
      metrics.sockets.dec({ route });
    };
  };

  return {
    requireRoom() {
      if (open >= limit)
        throw new UnfoldError(
          'overloaded',
          `expected at most ${limit} open sockets and event streams; try again later.`,
        );
    },
    enter,
    add(route, socket) {
      const leave = enter(route);
      sockets.add(socket);
      socket.on('pong', () => silent.delete(socket));
      socket.on('message', () => silent.delete(socket));
      socket.on('close', () => {
        sockets.delete(socket);
        leave();
      });
    },
    async closeAll() {
      clearInterval(timer);
      const closed = [...sockets].map(
        (socket) => new Promise<void>((resolve) => socket.once('close', () => resolve())),
      );
      for (const socket of sockets) socket.close(closeCodes.restarting, 'the server is restarting');
      const deadline = setTimeout(() => {
        for (const socket of sockets) socket.terminate();
      }, farewellMs);
      await Promise.all(closed);
      clearTimeout(deadline);
    },
  };
};

/** Tells a socket what was wrong with its message, and closes it if the peer cannot be understood. */
export const sendSocketError = (
  socket: WebSocket,
  error: UnfoldError,
  requestId: string,
  fatal: boolean,
): void => {
  if (socket.readyState !== socket.OPEN) return;
  socket.send(JSON.stringify(toEnvelope(error, requestId)));
  if (fatal) socket.close(error.status >= 500 ? closeCodes.internal : closeCodes.policy, error.code);
};
