import { randomFillSync } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

const sane = /^[A-Za-z0-9._:-]{1,128}$/;

const idBytes = 16;
const pool = Buffer.allocUnsafe(256 * idBytes);
let used = pool.length;

/** 32 hexadecimal digits that nobody can guess. Bytes are drawn for many at once, since asking for few costs as much. */
export const randomHex = (): string => {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  used += idBytes;
  return pool.toString('hex', used - idBytes, used);
};

/** A caller's own `x-request-id` when it is harmless in a log and a header, else a fresh one. */
export const requestIdOf = (request: Pick<IncomingMessage, 'headers'>): string => {
  const given = request.headers['x-request-id'];
  return typeof given === 'string' && sane.test(given) ? given : `req-${randomHex()}`;
};
