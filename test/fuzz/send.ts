import { type IncomingHttpHeaders, request } from 'node:http';
import type { Socket } from 'node:net';
import type { Plan } from './requests.ts';

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

/** More than any answer here takes; one that takes longer hangs. */
const patienceMs = 20_000;

/** A stream goes on as long as its job does: its beginning is enough. */
const streamMs = 100;

/** Header text as bytes that Node lets out: what it refuses to send cannot reach the server. */
const sendable = (value: string): string => value.replace(/[^\t\x20-\x7e\x80-\xff]/g, '?');

/** Sends a request byte for byte, as far as Node's client lets it be sent at all; null if it does not. */
export const send = (
  base: URL,
  { method, path, headers, body }: Plan,
  authorization: string,
): Promise<Answer | null> =>
  new Promise((resolve, reject) => {
    const named = headers.filter((_, index) => index % 2 === 0).map((name) => name.toLowerCase());
    const all = headers.map((value, index) => (index % 2 === 0 ? value : sendable(value)));
    if (!named.includes('authorization')) all.push('authorization', authorization);
    if (!named.includes('host')) all.push('host', base.host);
    const bytes = body === null ? null : Buffer.from(body as string);
    if (bytes !== null) all.push('content-length', String(bytes.length));
    if (!named.includes('connection')) all.push('connection', 'close');
    let outgoing: ReturnType<typeof request>;
    try {
      outgoing = request({ host: base.hostname, port: base.port, method, path, headers: all, agent: false });
    } catch {
      return resolve(null);
    }
    const limit = setTimeout(() => {
      outgoing.destroy();
      reject(new Error(`No answer within ${patienceMs} ms.`));
    }, patienceMs);
    const settle = (answer: Answer): void => {
      clearTimeout(limit);
      resolve(answer);
    };
    let answered = false;
    outgoing.on('response', (response) => {
      answered = true;
      const chunks: Buffer[] = [];
      const done = (): void =>
        settle({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) });
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', done);
      response.on('error', done);
      if (String(response.headers['content-type']).startsWith('text/event-stream'))
        setTimeout(() => outgoing.destroy(), streamMs).unref();
    });
    outgoing.on('upgrade', (response, socket: Socket) => {
      socket.destroy();
      settle({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.alloc(0) });
    });
    outgoing.on('error', (error) => {
      if (answered) return;
      clearTimeout(limit);
      reject(error);
    });
    // A server that refuses early may cut the connection while the rest is still being sent: the answer counts.
    outgoing.end(bytes ?? undefined);
  });
