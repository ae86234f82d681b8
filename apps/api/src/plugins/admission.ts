import type { Config } from '@unfold/config';
import { type KeyScope, UnfoldError } from '@unfold/contracts';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { RateLimits } from '../limits/rate-limits.ts';
import type { KeyGate } from './api-keys.ts';

/** Requests are counted by key where there is one, else by address. */
const clientOf = (request: FastifyRequest): string =>
  request.identity === null || request.identity.id === 'local'
    ? `ip:${request.ip}`
    : `key:${request.identity.id}`;

const requireScope = (request: FastifyRequest, scope: KeyScope): void => {
  const scopes = request.identity?.scopes ?? [];
  if (scopes.includes(scope) || scopes.includes('admin')) return;
  throw new UnfoldError('insufficient_scope', `This API key lacks the scope "${scope}".`);
};

const requireSocketRoute = (request: FastifyRequest): void => {
  const { config, url } = request.routeOptions;
  if (request.ws && url !== undefined && !config.socket)
    throw new UnfoldError('not_found', 'There is no WebSocket at this path.');
};

interface Parts {
  config: Config;
  gate: KeyGate;
  rates: RateLimits;
}

/** Who comes in: key, scope and rate of every request but those of open routes. */
export const installAdmission = (app: FastifyInstance, { config, gate, rates }: Parts): void => {
  const countRequest = (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    const limit = request.identity?.limits.requests_per_minute ?? config.limits.requestsPerMinute;
    return rates.countRequest(clientOf(request), limit, reply);
  };

  app.addHook('onRequest', async (request, reply) => {
    const { scope } = request.routeOptions.config;
    requireSocketRoute(request);
    if (scope === null) return;
    try {
      request.identity = await gate.identify(request);
    } finally {
      // A wrong key counts against its address, so that keys cannot be guessed quickly.
      await countRequest(request, reply);
    }
    if (scope !== undefined) requireScope(request, scope);
  });
};
