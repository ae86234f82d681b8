import { UnfoldError } from '@unfold/contracts';
import type { KeptState, LeasedSession, SessionOwner, Store } from '@unfold/store';
import type { FastifyBaseLogger } from 'fastify';
import { unknown } from '../http/parameters.ts';
import type { ApiMetrics } from '../metrics.ts';

/** A session that one call uses, and no other, until it commits or releases. */
export interface HeldSession extends Pick<LeasedSession, 'state' | 'tokens' | 'context'> {
  /**
   * Keeps the state that the call has reached, which ends its use. A session that was deleted meanwhile keeps nothing, silently.
   * @throws UnfoldError `session_busy` if this process was so slow that another call took the session over: then that one's state counts
   */
  commit(kept: KeptState): Promise<void>;
  /** Ends the use; unless it was committed, the session stands where it stood. */
  release(): Promise<void>;
}

export interface SessionLeases {
  /** @throws UnfoldError `not_found` or `session_busy` */
  take(owner: SessionOwner, id: string): Promise<HeldSession>;
  /**
   * The id of the model that a session goes on with, which never changes: of one that was used before it is remembered, even if the session
   * has gone since, which taking it will tell.
   * @throws UnfoldError `not_found`
   */
  modelOf(owner: SessionOwner, id: string): Promise<string>;
  /** Resolves when nothing is held any more, or after so long. */
  settled(patienceMs: number): Promise<void>;
}

interface Options {
  store: Pick<Store, 'sessions'>;
  metrics: Pick<ApiMetrics, 'sessionsBusy'>;
  log: Pick<FastifyBaseLogger, 'warn'>;
  /** After so long without a sign of life from the process, another call may take the session. */
  leaseMs: number;
}

const mostRemembered = 10_000;

/** Renews every lease of this process three times in its length, so that two lost renewals do no harm. */
export const createSessionLeases = ({ store, metrics, log, leaseMs }: Options): SessionLeases => {
  const { sessions } = store;
  const held = new Set<object>();
  let wake: () => void = () => {};
  /** Models of sessions by owner and id, oldest first. */
  const models = new Map<string, string>();
  const nameOf = ({ project, key }: SessionOwner, id: string): string => JSON.stringify([project, key, id]);

  const lease = async (owner: SessionOwner, id: string): Promise<LeasedSession> => {
    try {
      return await sessions.lease(owner, id, leaseMs);
    } catch (error) {
      if (!(error instanceof UnfoldError)) throw error;
      if (error.code === 'not_found') {
        models.delete(nameOf(owner, id));
        throw unknown('session', id, 'session');
      }
      if (error.code !== 'session_busy') throw error;
      metrics.sessionsBusy.inc();
      throw new UnfoldError(error.code, error.message, { param: 'session', cause: error });
    }
  };

  const keepRenewing = ({ lease: own }: LeasedSession): (() => void) => {
    const stop = (): void => clearInterval(timer);
    const timer = setInterval(() => {
      sessions.renew(own, leaseMs).then(
        // Whoever has taken or deleted it is in the right; the commit will find out.
        (renewed) => renewed || stop(),
        (error: unknown) => log.warn({ err: error, session: own.session }, 'a lease was not renewed'),
      );
    }, leaseMs / 3).unref();
    return stop;
  };

  return {
    async take(owner, id) {
      const session = await lease(owner, id);
      const stopRenewing = keepRenewing(session);
      held.add(session);
      const leave = (): boolean => {
        stopRenewing();
        return held.delete(session);
      };
      return {
        state: session.state,
        tokens: session.tokens,
        context: session.context,
        async commit(kept) {
          // If the database fails, the lease is still held, and the release that follows gives it back.
          const outcome = await sessions.commit(session.lease, kept);
          leave();
          wake();
          if (outcome === 'taken_over')
            throw new UnfoldError(
              'session_busy',
              `Another call took session ${id} over while this one was stalled, whose text was not kept.`,
              { param: 'session' },
            );
        },
        async release() {
          if (!leave()) return;
          await sessions.release(session.lease).catch((error: unknown) => {
            log.warn({ err: error, session: id }, 'a lease was not released; it runs out by itself');
          });
          wake();
        },
      };
    },

    async modelOf(owner, id) {
      const name = nameOf(owner, id);
      const known = models.get(name);
      if (known !== undefined) return known;
      const { model } = await sessions.get(owner, id);
      models.set(name, model);
      for (const oldest of models.keys()) {
        if (models.size <= mostRemembered) break;
        models.delete(oldest);
      }
      return model;
    },

    async settled(patienceMs) {
      const deadline = Date.now() + patienceMs;
      while (held.size > 0 && Date.now() < deadline)
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, deadline - Date.now());
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
    },
  };
};
