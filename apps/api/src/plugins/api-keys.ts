import { createHash, timingSafeEqual } from 'node:crypto';
import { type Config, isLoopback } from '@unfold/config';
import { type KeyLimits, keyScopes, socketKeyProtocolPrefix, UnfoldError } from '@unfold/contracts';
import type { Store } from '@unfold/store';
import type { FastifyRequest } from 'fastify';
import { andThen } from '../http/at-once.ts';
import type { Identity } from '../identity.ts';
import { createRemembered } from '../remembered.ts';

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

/** How long it may stay unnoticed that another process made the first key, or revoked one. */
const rememberMs = 1000;
const mostRemembered = 10_000;

const bearer = (request: FastifyRequest): string | null =>
  /^bearer +(\S+) *$/i.exec(request.headers.authorization ?? '')?.[1] ?? null;

/** Browsers cannot set headers on sockets, so the key may come as a subprotocol. */
const subprotocol = (request: FastifyRequest): string | null => {
  const offered = String(request.headers['sec-websocket-protocol'] ?? '').split(',');
  const found = offered.map((name) => name.trim()).find((name) => name.startsWith(socketKeyProtocolPrefix));
  return found?.slice(socketKeyProtocolPrefix.length) ?? null;
};

type Authenticated = NonNullable<Awaited<ReturnType<Store['keys']['authenticate']>>>;

export interface KeyGate {
  /** Whose request this is; throws `invalid_api_key` unless it may come in. */
  identify(request: FastifyRequest): Identity | Promise<Identity>;
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
  const any = createRemembered<boolean>({ forMs: rememberMs, most: 1 });
  // Wrong keys are not remembered: whoever guesses would push the right ones out.
  const keys = createRemembered<Authenticated | null>({
    forMs: rememberMs,
    most: mostRemembered,
    keeps: (key) => key !== null,
  });
  const needed = (): boolean | Promise<boolean> => always || any.get('any', () => store.keys.any());

  const identityOf = (key: Authenticated | null): Identity => {
    if (key === null) throw new UnfoldError('invalid_api_key', 'This API key is unknown or was revoked.');
    return {
      id: key.id,
      project: key.project,
      scopes: key.scopes,
      limits: limitsOf(key.limits, config),
    };
  };
  const identifyByKey = (request: FastifyRequest): Identity | Promise<Identity> => {
    const secret = bearer(request) ?? (request.ws ? subprotocol(request) : null);
    if (secret === null)
      throw new UnfoldError(
        'invalid_api_key',
        'expected an API key: the header `Authorization: Bearer <key>`.',
      );
    const hash = digest(secret);
    if (adminDigest !== null && timingSafeEqual(hash, adminDigest)) return admin;
    const key =
      secret.length > 200 || secret.includes('\u0000')
        ? null
        : keys.get(hash.toString('base64'), () => store.keys.authenticate(secret));
    return andThen(key, identityOf);
  };

  const identify = (request: FastifyRequest): Identity | Promise<Identity> =>
    andThen(needed(), (keyed) => (keyed ? identifyByKey(request) : local));

  const forget = (): void => {
    any.forget();
    keys.forget();
  };
  return { identify, forget };
};

/** A server that others can reach must not be open to all of them. */
export const assertGuarded = async (config: Config, store: Store): Promise<void> => {
  if (isLoopback(config.host) || config.adminKey !== null || (await store.keys.any())) return;
  throw new Error(
    `HOST is "${config.host}", which other machines can reach, but there is no API key. ` +
      'Set UNFOLD_ADMIN_KEY (for example to the output of `openssl rand -hex 32`), or listen on 127.0.0.1.',
  );
};
