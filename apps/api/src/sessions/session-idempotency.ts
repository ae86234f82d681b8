import type { Idempotency } from '@unfold/store';
import type { FastifyRequest } from 'fastify';
import { idempotencyOf } from '../http/idempotency.ts';

/**
 * The `Idempotency-Key` of a request for a session. Answers are kept by project, but sessions belong to a key: another
 * one's same words must not be answered with them.
 */
export const sessionIdempotency = (request: FastifyRequest, asked: unknown): Idempotency | undefined => {
  const idempotency = idempotencyOf(request, asked);
  return idempotency && { ...idempotency, route: `${idempotency.route} ${request.identity?.id ?? 'local'}` };
};
