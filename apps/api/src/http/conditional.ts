import type { FastifyReply, FastifyRequest } from 'fastify';

const matches = (header: string | undefined, etag: string): boolean =>
  (header ?? '')
    .split(',')
    .some((entry) => entry.trim() === '*' || entry.trim().replace(/^W\//, '') === etag);

/** Sets the ETag of content that never changes, and answers 304 when the client has it. */
export const isUnchanged = (request: FastifyRequest, reply: FastifyReply, sha256: string): boolean => {
  const etag = `"${sha256}"`;
  reply.header('etag', etag).header('cache-control', 'private, max-age=0, must-revalidate');
  if (!matches(request.headers['if-none-match'], etag)) return false;
  reply.code(304);
  return true;
};

/** RFC 6266: a plain name for old clients, the exact one for the others. */
export const attachment = (filename: string): string => {
  const plain = filename.replace(/[^\x20-\x7e]|["\\]/g, '_');
  const exact = encodeURIComponent(filename).replace(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `attachment; filename="${plain}"; filename*=UTF-8''${exact}`;
};
