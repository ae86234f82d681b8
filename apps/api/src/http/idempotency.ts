import { createHash } from 'node:crypto';
import { UnfoldError } from '@unfold/contracts';
import type { Idempotency } from '@unfold/store';
import type { FastifyRequest } from 'fastify';

const header = 'Idempotency-Key';
const printable = /^[\x21-\x7e]{1,255}$/;

/** JSON with sorted keys, so that the same request hashes the same however it was written. */
const canonical = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value) ?? 'null';
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, entry]) => `${JSON.stringify(key)}:${canonical(entry)}`).join(',')}}`;
};

/** The request's `Idempotency-Key` and route, or undefined. */
export const idempotencyKey = (request: FastifyRequest): Omit<Idempotency, 'request_hash'> | undefined => {
  const key = request.headers['idempotency-key'];
  if (key === undefined) return undefined;
  if (typeof key !== 'string' || !printable.test(key))
    throw new UnfoldError(
      'invalid_value',
      `${header}: expected 1 to 255 printable ASCII characters without spaces.`,
      {
        param: header,
      },
    );
  return { key, route: `${request.method} ${request.routeOptions.url}` };
};

/** The same with the hash of a validated body. */
export const idempotencyOf = (request: FastifyRequest, body: unknown): Idempotency | undefined => {
  const named = idempotencyKey(request);
  return named && { ...named, request_hash: createHash('sha256').update(canonical(body)).digest('hex') };
};
