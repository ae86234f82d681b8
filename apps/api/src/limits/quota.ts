import type { Quota } from '@unfold/store';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { ApiContext } from '../context.ts';
import type { Settle } from './rate-limits.ts';

/** What a request's key may have at once; null for the owner of the machine or of the configuration. */
export const quotaOf = ({ identity }: Pick<FastifyRequest, 'identity'>): Quota | null =>
  identity === null || identity.id === 'local' || identity.id === 'admin'
    ? null
    : {
        key_id: identity.id,
        concurrent_jobs: identity.limits.concurrent_jobs,
        stored_bytes: identity.limits.stored_bytes,
      };

/**
 * Sets aside the most tokens that a call may take, if its key has a limit; null if it has none.
 * @throws UnfoldError `rate_limited`
 */
export const reserveTokens = async (
  { rates }: ApiContext,
  { identity }: FastifyRequest,
  reply: FastifyReply,
  most: number,
): Promise<Settle | null> => {
  const limit = identity?.limits.tokens_per_minute ?? null;
  if (identity === null || limit === null) return null;
  return rates.reserveTokens(`key:${identity.id}`, limit, most, reply);
};
