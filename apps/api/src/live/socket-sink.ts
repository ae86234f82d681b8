import { closeCodes } from '@unfold/contracts';
import type { WebSocket } from 'ws';
import type { Sink } from './follower-hub.ts';

/** A socket whose unsent bytes exceed this gets nothing more until they are half of it. */
export const highWaterBytes = 1024 * 1024;

/** Beyond this a socket is given up: only status frames of other jobs can come so far. */
export const hopelessBytes = 4 * highWaterBytes;

export interface SocketWriter {
  send(text: string): void;
  /** Whether another page of frames may be sent. */
  hasRoom(): boolean;
  /** Resolves when there is room. A reader that takes nothing for `stallMs` is closed with 1013. */
  ready(): Promise<void>;
}

/** Sends text over a socket with bounded memory. */
export const createSocketWriter = (socket: WebSocket, stallMs: number): SocketWriter => {
  let waiting: (() => void)[] = [];
  let stalled: NodeJS.Timeout | undefined;

  const giveUp = (): void => {
    waiting = [];
    socket.close(closeCodes.tooSlow, 'too slow');
  };

  const written = (): void => {
    if (waiting.length === 0) return;
    stalled?.refresh();
    if (socket.bufferedAmount > highWaterBytes / 2) return;
    clearTimeout(stalled);
    stalled = undefined;
    const resolved = waiting;
    waiting = [];
    for (const resolve of resolved) resolve();
  };

  socket.on('close', () => {
    clearTimeout(stalled);
    waiting = [];
  });

  return {
    send(text) {
      if (socket.readyState !== socket.OPEN) return;
      socket.send(text, written);
      if (socket.bufferedAmount > hopelessBytes) giveUp();
    },
    hasRoom: () => socket.bufferedAmount < highWaterBytes,
    ready() {
      if (socket.bufferedAmount < highWaterBytes) return Promise.resolve();
      stalled ??= setTimeout(giveUp, stallMs).unref();
      return new Promise((resolve) => waiting.push(resolve));
    },
  };
};

/** A follower that sends frames over a socket. */
export const socketSink = (writer: SocketWriter, end: () => void): Sink => ({
  write({ text }) {
    writer.send(text);
    return writer.hasRoom();
  },
  ready: () => writer.ready(),
  end,
});
