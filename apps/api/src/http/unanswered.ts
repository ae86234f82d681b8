import type { Socket } from 'node:net';
import type { FastifyReply } from 'fastify';

/**
 * Ends an answer that still waited for those before it on a connection that is gone. Node does this to the one whose turn it was, in the same way,
 * and forgets the others, so that whatever waits for their `close` would wait for good.
 */
const closeQueued = ({ raw }: FastifyReply): void => {
  if (raw.socket !== null) return;
  Object.assign(raw, { destroyed: true, _closed: true });
  raw.emit('close');
};

/** The replies that have not left in full, by their connection: one listener for each connection, however many requests come over it. */
export class Unanswered {
  readonly #replies = new WeakMap<Socket, Set<FastifyReply>>();
  readonly #gone: (reply: FastifyReply) => void;

  /** `gone` is called, once, with each reply whose connection closes before `delete` was called with it. */
  constructor(gone: (reply: FastifyReply) => void) {
    this.#gone = gone;
  }

  add(reply: FastifyReply): void {
    const { socket } = reply.request.raw;
    let replies = this.#replies.get(socket);
    if (replies === undefined) {
      replies = new Set();
      this.#replies.set(socket, replies);
      socket.once('close', () => this.#leave(socket));
    }
    replies.add(reply);
  }

  /** False: it was not among them. */
  delete(reply: FastifyReply): boolean {
    return this.#replies.get(reply.request.raw.socket)?.delete(reply) ?? false;
  }

  #leave(socket: Socket): void {
    const replies = this.#replies.get(socket) ?? [];
    this.#replies.delete(socket);
    for (const reply of replies) {
      this.#gone(reply);
      closeQueued(reply);
    }
  }
}
