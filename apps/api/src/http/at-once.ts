import type { FastifyReply, FastifyRequest } from 'fastify';

/** Goes on with a value: at once if it is there, which saves every request that needs no waiting the turns of a promise. */
export const andThen = <T, U>(value: T | Promise<T>, goOn: (value: T) => U | Promise<U>): U | Promise<U> =>
  value instanceof Promise ? value.then(goOn) : goOn(value);

/** A hook that waits only where it must. What it throws refuses the request. */
export const atOnce =
  (decide: (request: FastifyRequest, reply: FastifyReply) => void | Promise<void>) =>
  (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void): void => {
    let decided: void | Promise<void>;
    try {
      decided = decide(request, reply);
    } catch (error) {
      done(error as Error);
      return;
    }
    if (decided instanceof Promise) decided.then(() => done(), done);
    else done();
  };
