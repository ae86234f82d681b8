import type { FastifyReply } from 'fastify';

/**
 * What a call hears of its end by: any `AbortSignal`, or one of the few fields that are needed of it, since making a real one takes as long as
 * reading a short request.
 */
export interface CallSignal {
  readonly aborted: boolean;
  readonly reason: unknown;
  addEventListener(type: 'abort', listener: () => void): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

class GoneSignal implements CallSignal {
  aborted = false;
  reason: unknown = undefined;
  readonly #listeners: (() => void)[] = [];

  addEventListener(_type: 'abort', listener: () => void): void {
    this.#listeners.push(listener);
  }

  removeEventListener(_type: 'abort', listener: () => void): void {
    const at = this.#listeners.indexOf(listener);
    if (at >= 0) this.#listeners.splice(at, 1);
  }

  abort(reason: unknown): void {
    if (this.aborted) return;
    this.aborted = true;
    this.reason = reason;
    for (const listener of this.#listeners.splice(0)) listener();
  }
}

/** By a server's signal, the requests that are to hear of it: one listener for all, since each costs more than a place in a set. */
const openRequests = new WeakMap<AbortSignal, Set<GoneSignal>>();

const requestsOf = (closing: AbortSignal): Set<GoneSignal> => {
  const known = openRequests.get(closing);
  if (known !== undefined) return known;
  const open = new Set<GoneSignal>();
  openRequests.set(closing, open);
  closing.addEventListener('abort', () => {
    for (const gone of open) gone.abort(closing.reason);
  });
  return open;
};

/**
 * Aborted when the client goes away before it was answered in full, or when the server begins to stop. Its reason is the server's signal's
 * then.
 */
export const goneSignal = ({ raw }: FastifyReply, closing: AbortSignal): CallSignal => {
  const gone = new GoneSignal();
  if (raw.destroyed || closing.aborted) {
    gone.abort(closing.reason);
    return gone;
  }
  const open = requestsOf(closing);
  open.add(gone);
  raw.on('close', () => {
    open.delete(gone);
    if (!raw.writableFinished) gone.abort(undefined);
  });
  return gone;
};
