import type { FastifyInstance } from 'fastify';
import type { ApiMetrics } from '../metrics.ts';

/** One log line and one measurement per request; the request's id on every answer. */
export const installRequestLog = (app: FastifyInstance, metrics: ApiMetrics): void => {
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id);
  });
  app.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? '(unknown)';
    const seconds = reply.elapsedTime / 1000;
    const status = String(reply.statusCode);
    metrics.requestSeconds.observe({ method: request.method, route, status }, seconds);
    if (reply.statusCode >= 400) metrics.errors.inc({ status });
    const quiet = request.routeOptions.config?.scope === null && reply.statusCode < 400;
    request.log[quiet ? 'debug' : 'info'](
      {
        method: request.method,
        route,
        path: request.url.split('?', 1)[0],
        status: reply.statusCode,
        ms: Math.round(reply.elapsedTime),
      },
      'answered',
    );
  });
};
