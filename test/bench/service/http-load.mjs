// Requests over bare sockets: a client that costs next to nothing, so that two processors are left to what is measured.
import { once } from 'node:events';
import { connect } from 'node:net';

const emptyLine = '\r\n\r\n';
const lastChunk = Buffer.from('0\r\n\r\n');
const firstEvent = Buffer.from('data: {');

/** One connection that is kept open; one request at a time. */
export async function openConnection(url) {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname).setNoDelay();
  await once(socket, 'connect');
  let receive = null;
  let fail = null;
  socket.on('data', (bytes) => receive?.(bytes));
  socket.on('error', (error) => fail?.(error));
  socket.on('close', () => fail?.(new Error('The server closed the connection.')));

  /** Sends a request; the answer's `{ status, body, firstMs }`: when the first event, or else the last byte, had come. */
  function send(bytes) {
    return new Promise((resolve, reject) => {
      const begin = performance.now();
      let parts = [];
      let size = 0;
      let head = null;
      let firstMs = null;
      fail = reject;
      receive = (part) => {
        parts.push(part);
        size += part.length;
        if (head === null) {
          const all = parts.length === 1 ? part : Buffer.concat(parts);
          const at = all.indexOf(emptyLine);
          if (at < 0) return;
          const text = all.toString('latin1', 0, at);
          const length = /\r\ncontent-length: (\d+)/i.exec(text)?.[1];
          head = { status: Number(text.slice(9, 12)), start: at + 4, length: length && Number(length) };
          parts = [all];
        }
        if (firstMs === null && part.includes(firstEvent)) firstMs = performance.now() - begin;
        const whole =
          head.length === undefined ? part.subarray(-5).equals(lastChunk) : size >= head.start + head.length;
        if (!whole) return;
        receive = fail = null;
        const answer = Buffer.concat(parts).toString('utf8', head.start);
        resolve({ status: head.status, body: answer, firstMs: firstMs ?? performance.now() - begin });
      };
      socket.write(bytes);
    });
  }
  return { send, close: () => socket.destroy() };
}

/** A request as bytes. */
export function postRequest(url, path, body) {
  const text = JSON.stringify(body);
  return Buffer.from(
    `POST ${path} HTTP/1.1\r\nHost: ${new URL(url).host}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
  );
}

/** Sends a request over and over on so many connections, for about so many seconds: answers a second, and all answers if they are wanted. */
export async function load(url, { path, body, connections, seconds, status = 200, keep = () => null }) {
  const open = await Promise.all(Array.from({ length: connections }, () => openConnection(url)));
  const requests = open.map((_, k) => postRequest(url, path, typeof body === 'function' ? body(k) : body));
  const kept = [];
  let answered = 0;
  const begin = performance.now();
  const end = begin + 1000 * seconds;
  await Promise.all(
    open.map(async (connection, k) => {
      do {
        const answer = await connection.send(requests[k]);
        if (answer.status !== status)
          throw new Error(`${path} answered ${answer.status}: ${answer.body.slice(0, 300)}`);
        answered += 1;
        const value = keep(answer);
        if (value !== null) kept.push(value);
      } while (performance.now() < end);
    }),
  );
  const tookSeconds = (performance.now() - begin) / 1000;
  for (const connection of open) connection.close();
  return { perSecond: answered / tookSeconds, seconds: tookSeconds, kept };
}
