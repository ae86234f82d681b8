import { setTimeout as wait } from 'node:timers/promises';
import type { Datastore } from './datastore.ts';
import { closeWithinMs, reach, settlesWithin } from './deadline.ts';
import type { Log } from './log.ts';

/** Ends a subscription when called. `ready` resolves once messages published from then on will arrive. */
export type Subscription = (() => void) & { ready: Promise<void> };

export interface Channel {
  publish(topic: string, data: unknown): Promise<void>;
  subscribe<T>(topic: string, listener: (data: T) => void): Subscription;
  close(): Promise<void>;
}

/**
 * Messages between all processes over BullMQ's Relay, which is experimental: nothing else here may touch it. A node
 * that was away for longer than its lease registers itself again and has missed what was sent meanwhile.
 */
export const openChannel = async (datastore: Datastore, log: Log): Promise<Channel> => {
  const { object: relay, drop } = datastore.relay({
    namespace: 'unfold',
    leaseDuration: 9000,
    blockTimeout: 2000,
  });
  const closing = new AbortController();
  relay.on('error', (error: unknown) => {
    if (!closing.signal.aborted) log('warn', 'The relay of wake-ups is disturbed', error);
  });
  relay.on('recovered', () => log('info', 'The relay of wake-ups is back'));

  const close = async (): Promise<void> => {
    closing.abort();
    await settlesWithin(closeWithinMs, relay.close());
    drop();
  };
  try {
    await reach('relay', () => relay.waitUntilReady());
  } catch (error) {
    await close();
    throw error;
  }

  const subscribe = <T>(topic: string, listener: (data: T) => void): Subscription => {
    const ended = new AbortController();
    const signal = AbortSignal.any([ended.signal, closing.signal]);
    const untilSubscribed = async (): Promise<void> => {
      while (!signal.aborted) {
        try {
          const subscription = await relay.subscribe<T>(topic, ({ data }) => {
            if (!signal.aborted) listener(data);
          });
          const unsubscribe = (): void => {
            subscription.unsubscribe().catch((error) => log('debug', 'A relay subscription lingers', error));
          };
          if (ended.signal.aborted) unsubscribe();
          else ended.signal.addEventListener('abort', unsubscribe);
          return;
        } catch (error) {
          if (closing.signal.aborted) return;
          log('warn', 'The relay of wake-ups cannot be subscribed to yet', error);
          await wait(500, undefined, { signal }).catch(() => {});
        }
      }
    };
    return Object.assign(() => ended.abort(), { ready: untilSubscribed() });
  };

  return {
    publish: (topic, data) => reach('relay', async () => void (await relay.publish(topic, data))),
    subscribe,
    close,
  };
};
