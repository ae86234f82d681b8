import type { FastifyReply, FastifyRequest } from 'fastify';

/** A hook that decides at once: an async one would cost every request a turn of a promise. What it throws refuses the request. */
export const atOnce =
  (decide: (request: FastifyRequest, reply: FastifyReply) => void) =>
  (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void): void => {
    try {
      decide(request, reply);
    } catch (error) {
      done(error as Error);
      return;
    }
    done();
  };
