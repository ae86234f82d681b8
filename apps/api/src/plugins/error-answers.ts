import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { type ErrorCode, errorCatalogue, toEnvelope, UnfoldError } from '@unfold/contracts';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { sendError } from '../http/errors.ts';
import { requestIdOf } from '../http/request-id.ts';

interface KnownRoute {
  pattern: RegExp;
  methods: Set<string>;
}

const toPattern = (url: string): RegExp =>
  new RegExp(
    `^${url
      .replace(/[.+?^${}()|[\]\\]/g, '\\$&')
      .replace(/:[A-Za-z_]+/g, '[^/]+')
      .replace('*', '.*')}$`,
  );

/** Remembers every route, so that a wrong method on a right path is told apart from a wrong path. */
const rememberRoutes = (app: FastifyInstance): Map<string, KnownRoute> => {
  const known = new Map<string, KnownRoute>();
  app.addHook('onRoute', ({ url, method }) => {
    if (url === '*' || url === '/*') return;
    const entry = known.get(url) ?? { pattern: toPattern(url), methods: new Set<string>() };
    for (const name of [method].flat()) if (name !== 'OPTIONS') entry.methods.add(name);
    known.set(url, entry);
  });
  return known;
};

/** Every error leaves in the one envelope: thrown ones, unknown paths, wrong methods and Fastify's own. */
export const installErrorAnswers = (app: FastifyInstance): void => {
  const routes = rememberRoutes(app);

  app.setErrorHandler(function answerError(error, request, reply) {
    return sendError(error, request, reply);
  });
  app.setNotFoundHandler(function answerNotFound(request, reply) {
    const path = request.url.split('?', 1)[0] ?? '';
    // What a path is by itself counts for more than the id that it might be.
    const own = routes.get(path);
    const matching = own ? [own] : [...routes.values()].filter(({ pattern }) => pattern.test(path));
    const methods = matching.flatMap((route) => [...route.methods]);
    // A route that was there and found nothing (a file of the documentation) is no matter of methods.
    if (methods.length === 0 || methods.includes(request.method))
      throw new UnfoldError(
        'not_found',
        `There is nothing at ${request.method} ${path.slice(0, 200)}; see /docs.`,
      );
    reply.header('allow', methods.join(', '));
    throw new UnfoldError(
      'method_not_allowed',
      `expected the method ${methods.join(' or ')}, but received ${request.method}.`,
    );
  });
};

/** For errors before routing (a URL that cannot be decoded). */
export const answerFrameworkError = (error: Error, request: FastifyRequest, reply: FastifyReply): void => {
  sendError(error, request, reply);
};

const clientErrors: Record<string, { status: number; code: ErrorCode; message: string }> = {
  HPE_HEADER_OVERFLOW: {
    status: 431,
    code: 'invalid_value',
    message: 'The headers of the request are too large.',
  },
  ERR_HTTP_REQUEST_TIMEOUT: {
    status: 408,
    code: 'upload_interrupted',
    message: 'The request did not arrive in time.',
  },
};

/** For what is not even HTTP: answered on the bare socket, in the same envelope. */
export const answerClientError = (error: Error & { code?: string }, socket: Socket): void => {
  if (error.code === 'ECONNRESET' || !socket.writable || socket.destroyed) {
    socket.destroy();
    return;
  }
  const known = clientErrors[error.code ?? ''] ?? {
    status: 400,
    code: 'malformed_body' as const,
    message: 'This is not a valid HTTP request.',
  };
  socket.end(rawError(new UnfoldError(known.code, known.message), known.status));
};

/** A complete HTTP answer as bytes, for sockets that Fastify does not own. */
export const rawError = (error: UnfoldError, status: number = errorCatalogue[error.code].status): string => {
  const id = requestIdOf({ headers: {} });
  const body = JSON.stringify(toEnvelope(error, id));
  return [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Error'}`,
    'content-type: application/json; charset=utf-8',
    `content-length: ${Buffer.byteLength(body)}`,
    `x-request-id: ${id}`,
    'connection: close',
    '',
    body,
  ].join('\r\n');
};
