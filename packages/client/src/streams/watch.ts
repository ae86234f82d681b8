import type { Frame, JobResource, SocketMessage } from '@unfold/contracts';
import { isEnvelope, UnfoldError } from '../errors.ts';
import type { Http } from '../http.ts';
import { type Connection, type ConnectionEvent, openConnection } from './connection.ts';
import { reconnecting, type StreamOptions, standardQuietMs } from './reconnect.ts';

export type WatchMessage =
  /** All unfinished jobs and the newest others, at the beginning and after each lost connection. */
  | { type: 'snapshot'; jobs: JobResource[] }
  /** A subscription that was refused, and is forgotten: an unknown job, or too many. */
  | { type: 'refused'; job: string; error: UnfoldError }
  /** Of a subscribed job every frame, of the others those of type `status`. */
  | Frame;

export interface Watch extends AsyncIterable<WatchMessage> {
  /**
   * From now on every frame of a job after `after`, once and in order, across lost connections, until the job ends. A job that is
   * resumed then shows up by its status frames, and may be subscribed to again.
   */
  subscribe(job: string, after?: number): void;
  unsubscribe(job: string): void;
}

interface Subscription {
  job: string;
  last: number;
  /** Whether this connection has begun to send its frames: what came before were status frames, which come again. */
  confirmed: boolean;
}

/** A job that nobody has: to unsubscribe from it changes nothing, and is answered. */
const nobody = `job-${'0'.repeat(32)}`;

const endsJob = (frame: Frame): boolean =>
  frame.type === 'status' && ['succeeded', 'failed', 'cancelled'].includes(frame.status);

/** Many jobs over one socket. Iterate it once. */
export const createWatch = (
  http: Http,
  { quietMs = standardQuietMs, signal, onConnection }: StreamOptions = {},
): Watch => {
  const subscriptions = new Map<string, Subscription>();
  /** Questions that were not answered yet: null for those that no subscription waits for. */
  let asked: (Subscription | null)[] = [];
  let current: Connection | null = null;
  let heartbeat = false;

  const ask = (subscription: Subscription): void => {
    if (current === null) return;
    subscription.confirmed = false;
    asked.push(subscription);
    current.send({ type: 'subscribe', job: subscription.job, after: subscription.last });
  };
  const askToLeave = (job: string): void => {
    if (current === null) return;
    asked.push(null);
    current.send({ type: 'unsubscribe', job });
  };
  const isCurrent = (subscription: Subscription): boolean =>
    subscriptions.get(subscription.job) === subscription;

  /** The frame, if it is the next of its subscription, or a status of another job. */
  const take = (frame: Frame): Frame[] => {
    const subscription = subscriptions.get(frame.job_id);
    if (subscription === undefined) return frame.type === 'status' ? [frame] : [];
    if (!subscription.confirmed || frame.seq <= subscription.last) return [];
    if (frame.seq > subscription.last + 1) {
      // A hole, which the log fills when it is asked again.
      ask(subscription);
      return [];
    }
    subscription.last = frame.seq;
    if (endsJob(frame)) subscriptions.delete(frame.job_id);
    return [frame];
  };

  const receive = (message: SocketMessage): WatchMessage[] => {
    if (isEnvelope(message)) {
      const subscription = asked.shift();
      // No answer to a question of ours: the connection ends, and another begins.
      if (!subscription || !isCurrent(subscription)) return [];
      subscriptions.delete(subscription.job);
      const status = message.error.code === 'not_found' ? 404 : 429;
      return [{ type: 'refused', job: subscription.job, error: new UnfoldError(status, message) }];
    }
    if (message.type === 'snapshot') return [message];
    if (message.type === 'subscribed') {
      const subscription = asked.shift();
      if (subscription && isCurrent(subscription)) subscription.confirmed = true;
      return [];
    }
    if (message.type === 'unsubscribed') {
      asked.shift();
      return [];
    }
    return take(message);
  };

  const read = async (event: ConnectionEvent, connection: Connection) => {
    if (event.type === 'open') {
      current = connection;
      asked = [];
      heartbeat = false;
      for (const subscription of subscriptions.values()) ask(subscription);
    } else if (event.type === 'closed') {
      current = null;
    } else if (event.type === 'message') {
      heartbeat = false;
      return { items: receive(event.data as SocketMessage) };
    } else if (heartbeat) {
      current = null;
      return { broken: true };
    } else {
      heartbeat = true;
      askToLeave(nobody);
    }
    return {};
  };

  const messages = reconnecting<WatchMessage>({
    signal,
    onConnection,
    connect: () => openConnection(http.address('/v1/stream'), { apiKey: http.apiKey, quietMs, signal }),
    inquire: (inTime) => http.call('/v1/jobs', { query: { limit: 1 }, signal: inTime }),
    read,
  });

  return {
    subscribe(job, after = 0) {
      const subscription = { job, last: after, confirmed: false };
      subscriptions.set(job, subscription);
      ask(subscription);
    },
    unsubscribe(job) {
      if (subscriptions.delete(job)) askToLeave(job);
    },
    [Symbol.asyncIterator]: () => messages,
  };
};
