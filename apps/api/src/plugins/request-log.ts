import type { ErrorCode } from '@unfold/contracts';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { atOnce } from '../http/at-once.ts';
import type { ApiMetrics } from '../metrics.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Why it was refused, once it was. */
    errorCode: ErrorCode | null;
  }
}

/** One log line and one measurement per request; the request's id on every answer. */
export const installRequestLog = (app: FastifyInstance, metrics: ApiMetrics): void => {
  app.decorateRequest('errorCode', null);
  app.addHook(
    'onRequest',
    atOnce((request, reply) => void reply.header('x-request-id', request.id)),
  );
  const note = (request: FastifyRequest, reply: FastifyReply): void => {
    const { url: route = '(unknown)', config } = request.routeOptions;
    const seconds = reply.elapsedTime / 1000;
    const status = String(reply.statusCode);
    metrics.requestSeconds.observe({ method: request.method, route, status }, seconds);
    const code = request.errorCode;
    if (reply.statusCode >= 400) metrics.errors.inc({ status, code: code ?? 'none' });
    const quiet = config?.scope === null && reply.statusCode < 400;
    request.log[quiet ? 'debug' : 'info'](
      {
        method: request.method,
        route,
        path: request.url.split('?', 1)[0],
        status: reply.statusCode,
        ...(code !== null && { code }),
        ...(request.identity !== null && { key_id: request.identity.id, project: request.identity.project }),
        ms: Math.round(reply.elapsedTime),
      },
      'answered',
    );
  };
  app.addHook('onResponse', atOnce(note));
};
