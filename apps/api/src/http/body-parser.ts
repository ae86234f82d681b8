import { isUtf8 } from 'node:buffer';
import { UnfoldError } from '@unfold/contracts';
import type { FastifyInstance, FastifyRequest } from 'fastify';

const charset = /;\s*charset\s*=\s*"?([^";\s]+)/i;

const decode = (request: FastifyRequest, body: Buffer): string => {
  const named = charset.exec(request.headers['content-type'] ?? '')?.[1]?.toLowerCase();
  if (named !== undefined && named !== 'utf-8' && named !== 'utf8')
    throw new UnfoldError(
      'unsupported_media_type',
      `expected a body in UTF-8, but received one in "${named.slice(0, 40)}".`,
    );
  const encoding = request.headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity')
    throw new UnfoldError('unsupported_media_type', 'expected a body without content-encoding.');
  if (!isUtf8(body)) throw new UnfoldError('malformed_body', 'The body is not valid UTF-8.');
  return body.toString('utf8');
};

/** What `JSON.parse` takes and the parser does not can only be a field that would change prototypes. */
const refuseBody = (text: string, error: Error): Error => {
  try {
    JSON.parse(text);
  } catch {
    return error;
  }
  return new UnfoldError(
    'malformed_body',
    'The body has a field "__proto__" or "constructor.prototype", which no request may have.',
    { cause: error },
  );
};

/**
 * JSON bodies: UTF-8 only, `__proto__` and `constructor.prototype` refused, and an empty body taken as none, since
 * many clients send the header with `POST /cancel` and nothing after it.
 */
export const installBodyParser = (app: FastifyInstance): void => {
  const parseJson = app.getDefaultJsonParser('error', 'error');
  app.removeAllContentTypeParsers();
  app.addContentTypeParser<Buffer>(
    /^application\/(json|[\w.+-]+\+json)\b/i,
    { parseAs: 'buffer' },
    (request, body, done) => {
      try {
        const text = decode(request, body);
        if (text.trim() === '') return done(null, undefined);
        return parseJson(request, text, (error, parsed) =>
          error ? done(refuseBody(text, error)) : done(null, parsed),
        );
      } catch (error) {
        return done(error as Error);
      }
    },
  );
};
