import { errorEnvelope, socketMessage } from '@unfold/contracts';
import fc from 'fast-check';
import { expect } from 'vitest';
import { WebSocket } from 'ws';
import { placeholder, resolve } from './placeholders.ts';
import { hostileValue, nearlyValid } from './schema-values.ts';
import type { Target } from './target.ts';

type Message =
  | { kind: 'text'; text: string }
  | { kind: 'binary'; bytes: Buffer }
  | { kind: 'fragments'; parts: string[] }
  | { kind: 'ping' }
  /** Bytes beneath the protocol: frames that no client library would write. */
  | { kind: 'raw'; bytes: Buffer }
  | { kind: 'close'; code: number };

export interface Conversation {
  protocols: string[];
  messages: Message[];
}

const job = fc.nat({ max: 5 }).map((place) => placeholder('jobs', place));
const after = fc.oneof(fc.nat({ max: 10 }), fc.constantFrom(2 ** 53 - 1, 2 ** 31));
const subscription = fc.oneof(
  fc.record({ type: fc.constant('subscribe'), job, after }),
  fc.record({ type: fc.constant('subscribe'), job }),
  fc.record({ type: fc.constant('unsubscribe'), job }),
);

const rawFrames = [
  // Unmasked, which a client must not send.
  [0x81, 0x02, 0x7b, 0x7d],
  // Reserved bits and an unknown opcode.
  [0xf1, 0x80, 0, 0, 0, 0],
  [0x83, 0x80, 0, 0, 0, 0],
  // A length of 2^63 − 1.
  [0x81, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0],
  // A fragmented control frame, and one that is too long.
  [0x09, 0x80, 0, 0, 0, 0],
  [0x89, 0xfe, 0x01, 0x00, 0, 0, 0, 0],
  // A close frame with a code that does not exist, and one with half a code.
  [0x88, 0x82, 0, 0, 0, 0, 0x00, 0x01],
  [0x88, 0x81, 0, 0, 0, 0, 0x03],
  // Text that is not UTF-8.
  [0x81, 0x82, 0, 0, 0, 0, 0xff, 0xfe],
  // A continuation of nothing.
  [0x80, 0x80, 0, 0, 0, 0],
  [0x47, 0x45, 0x54, 0x20, 0x2f],
].map((bytes) => Buffer.from(bytes));

const text = (value: unknown): Message => ({ kind: 'text', text: JSON.stringify(value) ?? '' });

const message: fc.Arbitrary<Message> = fc.oneof(
  { weight: 6, arbitrary: subscription.map(text) },
  { weight: 3, arbitrary: nearlyValid(subscription).map(text) },
  { weight: 1, arbitrary: hostileValue.map(text) },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom('', '{', 'null', '[]', `${'['.repeat(30_000)}`, 'x'.repeat(70_000), '\ufeff{}')
      .map((given): Message => ({ kind: 'text', text: given })),
  },
  {
    weight: 1,
    arbitrary: fc
      .uint8Array({ maxLength: 40 })
      .map((bytes): Message => ({ kind: 'binary', bytes: Buffer.from(bytes) })),
  },
  {
    weight: 1,
    arbitrary: subscription.map((value): Message => {
      const whole = JSON.stringify(value);
      return { kind: 'fragments', parts: [whole.slice(0, 5), '', whole.slice(5)] };
    }),
  },
  { weight: 1, arbitrary: fc.constant<Message>({ kind: 'ping' }) },
  { weight: 1, arbitrary: fc.constantFrom(...rawFrames).map((bytes): Message => ({ kind: 'raw', bytes })) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(1000, 1001, 3000, 4999).map((code): Message => ({ kind: 'close', code })),
  },
);

/** What a peer may say over a socket, sane or not. */
export const conversations: fc.Arbitrary<Conversation> = fc.record({
  protocols: fc.oneof(
    { weight: 6, arbitrary: fc.constant<string[]>(['unfold.v1']) },
    {
      weight: 1,
      arbitrary: fc.constantFrom<string[]>(
        [],
        ['other'],
        ['unfold.v1', 'unfold.key.wrong'],
        ['x'.repeat(3000)],
      ),
    },
  ),
  messages: fc.array(message, { maxLength: 8 }),
});

const say = (socket: WebSocket, what: Message, target: Target): void => {
  if (socket.readyState !== socket.OPEN) return;
  if (what.kind === 'text') socket.send(resolve(what.text, target.existing()));
  else if (what.kind === 'binary') socket.send(what.bytes);
  else if (what.kind === 'ping') socket.ping();
  else if (what.kind === 'close') socket.close(what.code);
  else if (what.kind === 'fragments')
    what.parts.forEach((part, index) => {
      const whole = resolve(part, target.existing());
      socket.send(whole, { fin: index === what.parts.length - 1 });
    });
  else (socket as unknown as { _socket: { write(bytes: Buffer): void } })._socket.write(what.bytes);
};

const patienceMs = 10_000;

/** Closes by which a server says that it failed: none may come of what a peer said. */
const failures = new Set([1011, 1006]);

/**
 * Speaks over a socket, then asks for a pong. The server must give it, or have closed with a code that blames the
 * peer; what it says meanwhile must be messages of the contract or errors in the envelope.
 */
export const converse = async (
  target: Target,
  path: string,
  { protocols, messages }: Conversation,
): Promise<void> => {
  const url = target.api.url.replace('http', 'ws') + resolve(path, target.existing());
  const socket = new WebSocket(url, protocols, { headers: target.headers });
  const heard: string[] = [];
  let torn = false;
  const outcome = await new Promise<string>((settle, reject) => {
    const limit = setTimeout(() => reject(new Error('The socket hangs.')), patienceMs);
    const end = (result: string): void => {
      clearTimeout(limit);
      settle(result);
    };
    socket.on('message', (data) => heard.push(String(data)));
    socket.on('unexpected-response', (request, answer) => {
      request.destroy();
      end(String(answer.statusCode));
    });
    socket.on('error', (error) => {
      // A client that insists on a protocol that was not chosen leaves by itself.
      if (error.message.includes('subprotocol')) end('declined');
    });
    socket.on('close', (code) => end(torn && code === 1006 ? 'torn' : `closed ${code}`));
    socket.on('pong', () => end('open'));
    socket.on('open', () => {
      for (const what of messages) {
        // After bytes that are no frame the server may cut the connection as it likes.
        torn ||= what.kind === 'raw';
        say(socket, what, target);
      }
      if (socket.readyState === socket.OPEN) socket.ping();
    });
  });
  socket.terminate();
  target.count(`WS ${path.replace(/@@.*@@/, '{id}')}`, outcome);
  for (const each of heard) {
    const parsed = JSON.parse(each);
    const known = socketMessage.safeParse(parsed).success || errorEnvelope.strict().safeParse(parsed).success;
    expect(known, each.slice(0, 500)).toBe(true);
  }
  const status = Number(outcome);
  if (Number.isInteger(status)) expect(status).toBeLessThan(500);
  const code = Number(/^closed (\d+)$/.exec(outcome)?.[1]);
  expect(failures.has(code), `the socket was ${outcome}`).toBe(false);
  await target.expectUnchanged(`a conversation over ${path}`);
};
