import type { Config } from '@unfold/config';
import { type KeyScope, UnfoldError } from '@unfold/contracts';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { atOnce } from '../http/at-once.ts';
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

const requireSocketRoute = ({ config, url }: FastifyRequest['routeOptions']): void => {
  if (url !== undefined && !config.socket)
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

  const admit = async (request: FastifyRequest, reply: FastifyReply, scope?: KeyScope): Promise<void> => {
    try {
      const identity = gate.identify(request);
      request.identity = identity instanceof Promise ? await identity : identity;
    } finally {
      // A wrong key counts against its address, so that keys cannot be guessed quickly.
      await countRequest(request, reply);
    }
    if (scope !== undefined) requireScope(request, scope);
  };

  app.addHook(
    'onRequest',
    atOnce((request, reply) => {
      // Fastify makes it anew each time that it is asked for.
      const route = request.routeOptions;
      if (request.ws) requireSocketRoute(route);
      const { scope } = route.config;
      return scope === null ? undefined : admit(request, reply, scope);
    }),
  );
};
