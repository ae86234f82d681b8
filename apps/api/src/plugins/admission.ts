import fastifyRateLimit from '@fastify/rate-limit';
import type { Config } from '@unfold/config';
import { type KeyScope, UnfoldError } from '@unfold/contracts';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { KeyGate } from './api-keys.ts';

/** Requests are counted by key where there is one, else by address. */
const rateKey = (request: FastifyRequest): string =>
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

/** Who comes in: key, scope and rate of every request but those of open routes. */
export const installAdmission = async (
  app: FastifyInstance,
  config: Config,
  gate: KeyGate,
): Promise<void> => {
  await app.register(fastifyRateLimit, {
    global: false,
    max: config.limits.requestsPerMinute,
    timeWindow: 60_000,
    keyGenerator: rateKey,
    cache: 10_000,
  });
  const count = app.createRateLimit();

  const limitRate = async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    const rate = await count(request);
    if (rate.isAllowed) return;
    reply.header('x-ratelimit-limit', rate.max).header('x-ratelimit-remaining', rate.remaining);
    if (!rate.isExceeded) return;
    reply.header('retry-after', String(rate.ttlInSeconds));
    throw new UnfoldError(
      'rate_limited',
      `expected at most ${rate.max} requests a minute; try again in ${rate.ttlInSeconds} s.`,
    );
  };

  app.addHook('onRequest', async (request, reply) => {
    const { scope } = request.routeOptions.config;
    requireSocketRoute(request);
    if (scope === null) return;
    try {
      request.identity = await gate.identify(request);
    } finally {
      // A wrong key counts against its address, so that keys cannot be guessed quickly.
      await limitRate(request, reply);
    }
    if (scope !== undefined) requireScope(request, scope);
  });
};
