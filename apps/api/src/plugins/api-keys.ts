import { createHash, timingSafeEqual } from 'node:crypto';
import { type Config, isLoopback } from '@unfold/config';
import { type KeyLimits, keyScopes, socketKeyProtocolPrefix, UnfoldError } from '@unfold/contracts';
import type { Store } from '@unfold/store';
import type { FastifyRequest } from 'fastify';
import type { Identity } from '../context.ts';

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Whoever owns the machine or the configuration: no quota holds for them, only the rate of requests. */
const owner = (id: 'local' | 'admin', config: Config): Identity => ({
  id,
  project: 'default',
  scopes: keyScopes,
  limits: {
    requests_per_minute: config.limits.requestsPerMinute,
    tokens_per_minute: null,
    concurrent_jobs: null,
    stored_bytes: null,
  },
});

const limitsOf = (own: KeyLimits, { limits, keyLimits }: Config): Identity['limits'] => ({
  requests_per_minute: own.requests_per_minute ?? limits.requestsPerMinute,
  tokens_per_minute: own.tokens_per_minute ?? keyLimits.tokensPerMinute,
  concurrent_jobs: own.concurrent_jobs ?? keyLimits.concurrentJobs,
  stored_bytes: own.stored_bytes ?? keyLimits.storedBytes,
});

/** How long another process's first key may stay unnoticed. */
const rememberMs = 1000;

const bearer = (request: FastifyRequest): string | null =>
  /^bearer +(\S+) *$/i.exec(request.headers.authorization ?? '')?.[1] ?? null;

/** Browsers cannot set headers on sockets, so the key may come as a subprotocol. */
const subprotocol = (request: FastifyRequest): string | null => {
  const offered = String(request.headers['sec-websocket-protocol'] ?? '').split(',');
  const found = offered.map((name) => name.trim()).find((name) => name.startsWith(socketKeyProtocolPrefix));
  return found?.slice(socketKeyProtocolPrefix.length) ?? null;
};

export interface KeyGate {
  /** Whose request this is; throws `invalid_api_key` unless it may come in. */
  identify(request: FastifyRequest): Promise<Identity>;
  /** To be called when keys were made or revoked, so that this process sees it at once. */
  forget(): void;
}

/**
 * Decides whether keys are needed and to whom one belongs. Without any key on loopback, `Authorization` is ignored;
 * on any other address a key is needed always, even after the last one was revoked.
 */
export const createKeyGate = (config: Config, store: Store): KeyGate => {
  const local = owner('local', config);
  const admin = owner('admin', config);
  const adminDigest = config.adminKey === null ? null : digest(config.adminKey);
  const always = adminDigest !== null || !isLoopback(config.host);
  let known: { value: boolean; until: number } | null = null;

  const needed = async (): Promise<boolean> => {
    if (always) return true;
    if (known === null || known.until < Date.now())
      known = { value: await store.keys.any(), until: Date.now() + rememberMs };
    return known.value;
  };

  const identify = async (request: FastifyRequest): Promise<Identity> => {
    if (!(await needed())) return local;
    const secret = bearer(request) ?? (request.ws ? subprotocol(request) : null);
    if (secret === null)
      throw new UnfoldError(
        'invalid_api_key',
        'expected an API key: the header `Authorization: Bearer <key>`.',
      );
    if (adminDigest !== null && timingSafeEqual(digest(secret), adminDigest)) return admin;
    const key =
      secret.length > 200 || secret.includes('\u0000') ? null : await store.keys.authenticate(secret);
    if (key === null) throw new UnfoldError('invalid_api_key', 'This API key is unknown or was revoked.');
    return {
      id: key.id,
      project: key.project,
      scopes: key.scopes,
      limits: limitsOf(key.limits, config),
    };
  };

  return { identify, forget: () => (known = null) };
};

/** A server that others can reach must not be open to all of them. */
export const assertGuarded = async (config: Config, store: Store): Promise<void> => {
  if (isLoopback(config.host) || config.adminKey !== null || (await store.keys.any())) return;
  throw new Error(
    `HOST is "${config.host}", which other machines can reach, but there is no API key. ` +
      'Set UNFOLD_ADMIN_KEY (for example to the output of `openssl rand -hex 32`), or listen on 127.0.0.1.',
  );
};
