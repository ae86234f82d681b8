import type { ErrorCode } from '@unfold/contracts';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { atOnce } from '../http/at-once.ts';
import { Unanswered } from '../http/unanswered.ts';
import type { ApiMetrics } from '../metrics.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Why it was refused, once it was. */
    errorCode: ErrorCode | null;
  }
}

/** The status, in logs and metrics only, of what nobody was there to be answered; nginx made the number usual. */
const clientGone = 499;

interface Outcome {
  status: number;
  code: ErrorCode | null;
  message: string;
}

/** One log line and one measurement per request, answered or not; the request's id on every answer. */
export const installRequestLog = (app: FastifyInstance, metrics: ApiMetrics): void => {
  app.decorateRequest('errorCode', null);
  const note = (reply: FastifyReply, { status, code, message }: Outcome): void => {
    const { request } = reply;
    const { url: route = '(unknown)', config } = request.routeOptions;
    const label = String(status);
    metrics.requestSeconds.observe(
      { method: request.method, route, status: label },
      reply.elapsedTime / 1000,
    );
    if (status >= 400) metrics.errors.inc({ status: label, code: code ?? 'none' });
    const quiet = config?.scope === null && status < 400;
    request.log[quiet ? 'debug' : 'info'](
      {
        method: request.method,
        route,
        path: request.url.split('?', 1)[0],
        status,
        ...(code !== null && { code }),
        ...(request.identity !== null && { key_id: request.identity.id, project: request.identity.project }),
        ms: Math.round(reply.elapsedTime),
      },
      message,
    );
  };
  // Of an answer that has begun, a stream most often, the client has read the status.
  const noteGone = (reply: FastifyReply): void => {
    const begun = reply.raw.headersSent && reply.raw.socket !== null;
    note(
      reply,
      begun
        ? {
            status: reply.statusCode,
            code: null,
            message: 'the client went away before the end of its answer',
          }
        : { status: clientGone, code: null, message: 'the client went away before it was answered' },
    );
  };
  const unanswered = new Unanswered(noteGone);
  app.addHook(
    'onRequest',
    atOnce((request, reply) => {
      reply.header('x-request-id', request.id);
      // A handshake that succeeds has no answer whose end could be waited for.
      if (!request.ws) unanswered.add(reply);
    }),
  );
  app.addHook(
    'onResponse',
    atOnce((request, reply) => {
      if (unanswered.delete(reply) || request.ws)
        note(reply, { status: reply.statusCode, code: request.errorCode, message: 'answered' });
    }),
  );
};
