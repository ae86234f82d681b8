import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

const sane = /^[A-Za-z0-9._:-]{1,128}$/;

/** A caller's own `x-request-id` when it is harmless in a log and a header, else a fresh one. */
export const requestIdOf = (request: Pick<IncomingMessage, 'headers'>): string => {
  const given = request.headers['x-request-id'];
  return typeof given === 'string' && sane.test(given) ? given : `req-${randomUUID().replaceAll('-', '')}`;
};
