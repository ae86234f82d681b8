import type { FastifyReply } from 'fastify';

/** Aborted when the client goes away before it was answered in full. */
export const goneSignal = (reply: FastifyReply): AbortSignal => {
  const gone = new AbortController();
  const { raw } = reply;
  raw.once('close', () => {
    if (!raw.writableFinished) gone.abort();
  });
  if (raw.destroyed) gone.abort();
  return gone.signal;
};
