import type { Span, Tracing } from '@unfold/telemetry';
import type { FastifyInstance, FastifyRequest } from 'fastify';

declare module 'fastify' {
  interface FastifyRequest {
    span: Span | null;
  }
}

/** A caller's own trace goes on here. */
const parentOf = ({ headers }: FastifyRequest): string | null =>
  typeof headers.traceparent === 'string' ? headers.traceparent : null;

/** A span around every request but handshakes and those that schedulers send all day. */
export const installRequestSpan = (app: FastifyInstance, tracing: Tracing): void => {
  app.decorateRequest('span', null);
  app.addHook('onRequest', (request, _reply, done) => {
    const { url: route = '(unknown)', config } = request.routeOptions;
    if (request.ws || config?.scope === null) return done();
    request.span = tracing.start(`${request.method} ${route}`, {
      parent: parentOf(request),
      kind: 'server',
      attributes: {
        'http.request.method': request.method,
        'http.route': route,
        'unfold.request.id': request.id,
      },
    });
    return tracing.run(request.span, done);
  });
  // The parsing of a body goes on in the connection's own context, so the request's is entered again.
  app.addHook('preHandler', (request, _reply, done) =>
    request.span === null ? done() : tracing.run(request.span, done),
  );
  app.addHook('onResponse', async (request, reply) => {
    const { span } = request;
    if (span === null) return;
    span.set({ 'http.response.status_code': reply.statusCode });
    if (reply.statusCode >= 500) span.fail(new Error(request.errorCode ?? 'failed'));
    span.end();
  });
};
