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

const tokenLimitOf = ({ identity }: FastifyRequest): number | null =>
  identity?.limits.tokens_per_minute ?? null;

/** Whether a request's key has a limit of tokens, so that they are to be counted. */
export const hasTokenLimit = (request: FastifyRequest): boolean => tokenLimitOf(request) !== null;

/**
 * Sets aside the most tokens that a call may take, if its key has a limit; null if it has none.
 * @throws UnfoldError `rate_limited`
 */
export const reserveTokens = async (
  { rates }: ApiContext,
  request: FastifyRequest,
  reply: FastifyReply,
  most: number,
): Promise<Settle | null> => {
  const { identity } = request;
  const limit = tokenLimitOf(request);
  if (identity === null || limit === null) return null;
  return rates.reserveTokens(`key:${identity.id}`, limit, most, reply);
};
