import type { Processor, Queue, QueueOptions, Relay, RelayOptions, Worker, WorkerOptions } from 'bullmq';
import { Redis, type RedisOptions } from 'ioredis';
import { bullmq } from './bullmq.ts';
import type { Log } from './log.ts';
import { checkRedis } from './redis-check.ts';

/** What BullMQ carries. The job table holds everything else. */
export interface Payload {
  job_id: string;
  traceparent?: string;
}

export type Settings<T> = Omit<T, 'connection'>;

/** An object of BullMQ and a way to let its connections go at once, whatever state they are in. */
export interface Connected<T> {
  object: T;
  drop(): void;
}

/** The one place that knows which store carries the queue: makers of BullMQ's objects, each with its own connection. */
export interface Datastore {
  /** Rejects when the store cannot serve; called once, before anything is made. */
  check(log: Log): Promise<void>;
  queue(name: string, settings: Settings<QueueOptions>): Connected<Queue<Payload>>;
  /** So many tickets are added faster together than each by itself. */
  bulkFrom: number;
  worker(
    name: string,
    processor: Processor<Payload>,
    settings: Settings<WorkerOptions>,
  ): Connected<Worker<Payload>>;
  relay(settings: Settings<RelayOptions>): Connected<Relay>;
}

const onRedis = (url: string): Datastore => {
  const retryStrategy = (times: number): number => Math.min(50 * 2 ** Math.min(times, 10), 1000);
  // A producer is answered at once while Redis is away; what was not enqueued is enqueued by the reconciler. A
  // consumer has nothing better to do than to wait.
  const failFast = { retryStrategy, enableOfflineQueue: false, maxRetriesPerRequest: 0 };
  const patient = { retryStrategy, maxRetriesPerRequest: null };
  // `checkRedis` has looked at the version and the eviction policy already, once instead of at every connection.
  const common = { prefix: 'unfold', skipVersionCheck: true };

  // The client is ours, since BullMQ's close() leaves one that is just reconnecting to reconnect for ever.
  const connected = <T>(options: RedisOptions, make: (connection: Redis) => T): Connected<T> => {
    const client = new Redis(url, options);
    // Its owner reports errors; without a listener ioredis would print them.
    client.on('error', () => {});
    return { object: make(client), drop: () => client.disconnect() };
  };
  return {
    check: (log) => checkRedis(url, log),
    queue: (name, settings) =>
      connected(failFast, (connection) => new bullmq.Queue(name, { ...settings, ...common, connection })),
    bulkFrom: 2,
    worker: (name, processor, settings) =>
      connected(
        patient,
        (connection) => new bullmq.Worker(name, processor, { ...settings, ...common, connection }),
      ),
    relay: (settings) =>
      connected(failFast, (connection) => new bullmq.Relay({ ...settings, ...common, connection })),
  };
};

const onPostgres = (connectionString: string): Datastore => {
  const connection = {
    connectionString,
    schema: 'bullmq',
    migrate: true,
    max: 4,
    connectionTimeoutMillis: 5000,
    keepAlive: true,
    application_name: 'unfold-queue',
  };
  // For what may be forgotten by a crash of the database, so that it need not wait for the disk: hints are hints, and a ticket whose taking or
  // end was forgotten is delivered again.
  const hasty = { ...connection, options: '-c synchronous_commit=off' };
  // BullMQ types its classes by their backend; nothing here reaches through to it, so both stores share one type.
  const connected = <T>(object: unknown): Connected<T> => ({ object: object as T, drop: () => {} });
  return {
    check: async () => {},
    queue: (name, settings) =>
      connected(new bullmq.Queue(name, { ...settings, connection }, bullmq.createPostgresBackend)),
    // Each bulk makes two temporary tables, which takes PostgreSQL 8 ms of a processor however few there are; one alone takes it 1, and the caller as much again.
    bulkFrom: 4,
    worker: (name, processor, settings) =>
      connected(
        new bullmq.Worker(
          name,
          processor as never,
          { ...settings, connection: hasty },
          bullmq.createPostgresBackend,
        ),
      ),
    relay: (settings) =>
      connected(
        new bullmq.Relay({ ...settings, connection: hasty, backend: bullmq.createPostgresRelayBackend }),
      ),
  };
};

/** Redis when its URL is given, else PostgreSQL: the same objects with the same behaviour. */
export const openDatastore = (o: { redisUrl: string | null; databaseUrl: string }): Datastore =>
  o.redisUrl === null ? onPostgres(o.databaseUrl) : onRedis(o.redisUrl);
