import type { FastifyReply, FastifyRequest } from 'fastify';

const matches = (header: string | undefined, etag: string): boolean =>
  (header ?? '')
    .split(',')
    .some((entry) => entry.trim() === '*' || entry.trim().replace(/^W\//, '') === etag);

/**
 * Sets the ETag of content that never changes under its name, and answers 304 when the client has it.
 * @param weak what may travel compressed is the same in meaning, not byte for byte
 */
export const isUnchanged = (
  request: FastifyRequest,
  reply: FastifyReply,
  sha256: string,
  { weak = false } = {},
): boolean => {
  const etag = `"${sha256}"`;
  reply
    .header('etag', weak ? `W/${etag}` : etag)
    .header('cache-control', 'private, max-age=0, must-revalidate');
  if (!matches(request.headers['if-none-match'], etag)) return false;
  reply.code(304);
  return true;
};
