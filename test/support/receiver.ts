import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { WebhookEvent } from '@unfold/contracts';
import OpenAI from 'openai';

export interface Received {
  path: string;
  headers: Record<string, string>;
  body: string;
  event: WebhookEvent;
}

/** How the receiver answers: a status, or headers too, or however a function does it; null: never. */
export type Answer =
  | number
  | { status: number; headers: Record<string, string> }
  | ((response: ServerResponse) => void)
  | null;

/** Whoever is told of events: a server on a port of its own that remembers what came. */
export interface Receiver {
  url: string;
  port: number;
  received: Received[];
  /** Connections that were opened, whatever came over them. */
  connections(): number;
  /** Answers of the next requests; then 200. */
  answerWith(...answers: Answer[]): void;
  close(): Promise<void>;
}

const read = async (request: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
};

/** @param tls what it proves itself with, if it speaks HTTPS */
export const openReceiver = async (tls?: { key: string; cert: string }): Promise<Receiver> => {
  const received: Received[] = [];
  const answers: Answer[] = [];
  let connections = 0;
  const answerOne = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await read(request).catch(() => null);
    if (body === null) return;
    const headers = request.headers as Record<string, string>;
    received.push({ path: request.url ?? '', headers, body, event: JSON.parse(body) });
    const answer = answers.length > 0 ? answers.shift()! : 200;
    if (answer === null) return;
    if (typeof answer === 'function') answer(response);
    else if (typeof answer === 'number') response.writeHead(answer).end('noted');
    else response.writeHead(answer.status, answer.headers).end();
  };
  const server = tls ? createTlsServer(tls, answerOne) : createServer(answerOne);
  server.on('connection', () => {
    connections += 1;
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `${tls ? 'https' : 'http'}://127.0.0.1:${port}/hooks`,
    port,
    received,
    connections: () => connections,
    answerWith: (...next) => void answers.push(...next),
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
};

const client = new OpenAI({ apiKey: 'unused' });

/** Verifies a request as OpenAI's client does; throws if it was signed with another secret. */
export const unwrap = (received: Pick<Received, 'body' | 'headers'>, secret: string) =>
  client.webhooks.unwrap(received.body, received.headers, secret);
