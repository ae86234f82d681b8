import { type ErrorCode, errorCatalogue, toEnvelope, UnfoldError } from '@unfold/contracts';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { RestartingError } from './restarting.ts';

interface CodedError extends Error {
  code?: string;
  statusCode?: number;
  part?: unknown;
}

/** Codes by which Node, PostgreSQL, Redis and Prisma say that a server cannot be reached at the moment. */
const unreachable = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ETIMEDOUT',
  'EPIPE',
  '57P01',
  '57P02',
  '57P03',
  '53300',
  '08000',
  '08001',
  '08003',
  '08004',
  '08006',
  'P1001',
  'P1002',
  'P1008',
  'P1017',
  'P2024',
  'P2037',
]);

const isUnreachable = (error: unknown, depth = 0): boolean => {
  if (!(error instanceof Error) || depth > 4) return false;
  const { code, cause, meta } = error as CodedError & { meta?: { driverAdapterError?: unknown } };
  if (code !== undefined && unreachable.has(code)) return true;
  return isUnreachable(cause, depth + 1) || isUnreachable(meta?.driverAdapterError, depth + 1);
};

/** What Fastify and its plugins refuse, in the catalogue's words. */
const frameworkErrors: Record<string, (error: CodedError) => UnfoldError> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: () =>
    new UnfoldError('unsupported_media_type', 'expected the header content-type: application/json.'),
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: () =>
    new UnfoldError('malformed_body', 'The body is not as long as its content-length header says.'),
  FST_ERR_BAD_URL: () => new UnfoldError('invalid_value', 'The URL has an invalid percent-encoding.'),
  FST_ERR_MAX_PARAM_LENGTH: () => new UnfoldError('not_found', 'Nothing has an id that long.'),
  FST_INVALID_MULTIPART_CONTENT_TYPE: () =>
    new UnfoldError('unsupported_media_type', 'expected the header content-type: multipart/form-data.'),
  FST_MP_PREMATURE_CLOSE: () =>
    new UnfoldError('upload_interrupted', 'The upload ended before its data did.'),
};

const codeOfStatus: Record<number, ErrorCode> = {
  401: 'invalid_api_key',
  403: 'insufficient_scope',
  404: 'not_found',
  405: 'method_not_allowed',
  408: 'upload_interrupted',
  413: 'payload_too_large',
  414: 'invalid_value',
  415: 'unsupported_media_type',
  429: 'rate_limited',
  431: 'invalid_value',
};

const malformedText = (error: CodedError): string =>
  error.name === 'SyntaxError' ? `The body is not valid JSON: ${error.message}.` : `${error.message}.`;

/** Turns whatever was thrown into an error of the catalogue. What nobody foresaw becomes `internal`, its text hidden. */
export const toUnfoldError = (error: unknown): UnfoldError => {
  if (error instanceof UnfoldError) return error;
  if (isUnreachable(error))
    return new UnfoldError(
      'unavailable',
      'The database or the queue cannot be reached right now. Try again shortly.',
      {
        cause: error,
      },
    );
  if (error instanceof Error) {
    const coded = error as CodedError;
    const translate = coded.code === undefined ? undefined : frameworkErrors[coded.code];
    if (translate) return translate(coded);
    const status = coded.statusCode ?? 500;
    if (status === 413)
      return new UnfoldError('payload_too_large', 'The body is larger than the limit of this server.');
    if (status >= 400 && status < 500)
      return new UnfoldError(codeOfStatus[status] ?? 'malformed_body', malformedText(coded), {
        cause: error,
      });
  }
  return new UnfoldError('internal', 'Something went wrong on this side; the log knows the request id.', {
    cause: error,
  });
};

const lasting: ReadonlySet<ErrorCode> = new Set(['wrong_state', 'in_use', 'session_limit', 'snapshot_limit']);

/** Failures that another try of the same request does not mend, which OpenAI's clients would give two for their status. */
const isLasting = (code: ErrorCode): boolean =>
  lasting.has(code) || errorCatalogue[code].type === 'training_error';

/** When to try again, for all that is refused only for now. A rate says it by itself, to the second. */
const retryAfterSeconds: Partial<Record<ErrorCode, number>> = {
  idempotency_in_progress: 1,
  session_busy: 1,
  rate_limited: 60,
  quota_exceeded: 60,
  unavailable: 5,
  queue_full: 5,
  overloaded: 1,
  storage_full: 60,
};

/** What a path names is called `id`, whatever the store calls it (`model`, or nothing). */
const naming = (error: UnfoldError, { params }: FastifyRequest): UnfoldError => {
  const inPath = (params as { id?: string } | null)?.id !== undefined;
  if (error.code !== 'not_found' || (error.param ?? 'model') !== 'model' || !inPath) return error;
  return new UnfoldError(error.code, error.message, { param: 'id', cause: error });
};

const brokenOff = new Set(['ECONNRESET', 'EPIPE', 'ABORT_ERR', 'ERR_STREAM_PREMATURE_CLOSE']);

/** Whether a failure is what becomes of a call whose client is gone; `unavailable` says a cancelled one. */
const isBrokenOff = (known: UnfoldError, error: unknown): boolean =>
  known.code === 'unavailable' || brokenOff.has((error as CodedError | null)?.code ?? '');

/** Answers with the envelope: status, type and code from the catalogue, the request's id beside them. */
export const sendError = (error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply => {
  const known = naming(toUnfoldError(error), request);
  request.errorCode = known.code;
  // Whoever goes away in the middle of a request is no failure of this side, and the line for each request says that it was so.
  if (known instanceof RestartingError) request.log.info('the server stopped before it had answered');
  else if (known.status >= 500 && !(request.raw.socket.destroyed && isBrokenOff(known, error)))
    request.log.error({ err: known.cause ?? known, code: known.code }, known.message);
  else request.log.debug({ code: known.code, param: known.param }, known.message);
  const wait = retryAfterSeconds[known.code];
  if (wait !== undefined && !reply.hasHeader('retry-after')) reply.header('retry-after', String(wait));
  if (isLasting(known.code)) reply.header('x-should-retry', 'false');
  // Node has let go of a connection that asked for an upgrade, so nobody else would end it.
  if (request.headers.upgrade !== undefined) reply.raw.once('finish', () => request.raw.socket.destroySoon());
  if (known.code === 'invalid_api_key') reply.header('www-authenticate', 'Bearer realm="unfold"');
  return reply
    .code(errorCatalogue[known.code].status)
    .header('content-type', 'application/json; charset=utf-8')
    .header('cache-control', 'no-store')
    .header('x-request-id', request.id)
    .removeHeader('content-length')
    .removeHeader('etag')
    .serializer((body: unknown) => JSON.stringify(body))
    .send(toEnvelope(known, request.id));
};
