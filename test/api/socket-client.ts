import { once } from 'node:events';
import type { ErrorEnvelope, Frame, SocketMessage } from '@unfold/contracts';
import { type ClientOptions, WebSocket } from 'ws';
import { waitFor } from '../support/process.ts';

/** A client that keeps everything it was sent. */
export interface Client {
  socket: WebSocket;
  messages: (SocketMessage | ErrorEnvelope)[];
  /** Frames of one job, or of all. */
  frames(jobId?: string): Frame[];
  send(message: unknown): void;
  /** Code and reason. */
  closed: Promise<{ code: number; reason: string }>;
  until(what: string, condition: () => boolean): Promise<void>;
  close(): Promise<void>;
}

const isFrame = (message: SocketMessage | ErrorEnvelope): message is Frame => 'seq' in message;

const socketUrl = (url: string, path: string): string => url.replace('http', 'ws') + path;

/** Opens a socket; rejects if the server refuses. */
export const openSocket = async (
  url: string,
  path: string,
  options: ClientOptions & { protocols?: string[] } = {},
): Promise<Client> => {
  const { protocols = ['unfold.v1'], ...rest } = options;
  const socket = new WebSocket(socketUrl(url, path), protocols, rest);
  const messages: (SocketMessage | ErrorEnvelope)[] = [];
  socket.on('message', (data) => messages.push(JSON.parse(String(data))));
  const closed = new Promise<{ code: number; reason: string }>((resolve) =>
    socket.on('close', (code, reason) => resolve({ code, reason: String(reason) })),
  );
  await once(socket, 'open');
  return {
    socket,
    messages,
    frames: (jobId) =>
      messages.filter(isFrame).filter(({ job_id }) => jobId === undefined || job_id === jobId),
    send: (message) => socket.send(typeof message === 'string' ? message : JSON.stringify(message)),
    closed,
    until: (what, condition) => waitFor(what, async () => condition()).then(() => {}),
    async close() {
      socket.terminate();
      await closed;
    },
  };
};

/** The HTTP answer to a handshake that is refused. */
export const refusal = async (
  url: string,
  path: string,
  options: ClientOptions & { protocols?: string[] } = {},
): Promise<{ status: number; body: unknown; headers: Record<string, unknown> }> => {
  const { protocols = ['unfold.v1'], ...rest } = options;
  const socket = new WebSocket(socketUrl(url, path), protocols, rest);
  return new Promise((resolve, reject) => {
    socket.on('error', reject);
    socket.on('open', () => reject(new Error('the socket was accepted')));
    socket.on('unexpected-response', (_request, answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk) => chunks.push(chunk));
      answer.on('end', () =>
        resolve({
          status: answer.statusCode ?? 0,
          body: JSON.parse(Buffer.concat(chunks).toString('utf8')),
          headers: answer.headers,
        }),
      );
    });
  });
};
