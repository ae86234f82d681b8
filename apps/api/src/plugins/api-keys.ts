import { createHash, timingSafeEqual } from 'node:crypto';
import { type Config, isLoopback } from '@unfold/config';
import { keyScopes, socketKeyProtocolPrefix, UnfoldError } from '@unfold/contracts';
import type { Store } from '@unfold/store';
import type { FastifyRequest } from 'fastify';
import type { Identity } from '../context.ts';

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

const local: Identity = { id: 'local', project: 'default', scopes: keyScopes };
const admin: Identity = { id: 'admin', project: 'default', scopes: keyScopes };

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
    return { id: key.id, project: key.project, scopes: key.scopes };
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
