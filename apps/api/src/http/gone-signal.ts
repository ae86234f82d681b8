import type { FastifyReply } from 'fastify';

/**
 * Aborted when the client goes away before it was answered in full, or when the server begins to stop. Not
 * `AbortSignal.any`, which leaves a trace on the server's signal for every request. Its reason is the server's signal's then.
 */
export const goneSignal = (reply: FastifyReply, closing: AbortSignal): AbortSignal => {
  const gone = new AbortController();
  const { raw } = reply;
  const abort = (): void => gone.abort(closing.aborted ? closing.reason : undefined);
  closing.addEventListener('abort', abort);
  raw.once('close', () => {
    closing.removeEventListener('abort', abort);
    if (!raw.writableFinished) abort();
  });
  if (raw.destroyed || closing.aborted) abort();
  return gone.signal;
};
