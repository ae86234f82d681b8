import type { DeviceClass } from '@unfold/contracts';
import type { Queue as BullQueue } from 'bullmq';
import { type Announcement, createAnnouncer } from './announcer.ts';
import { type Consumer, type Handler, openConsumer } from './consumer.ts';
import { type Connected, openDatastore, type Payload } from './datastore.ts';
import { closeWithinMs, reach, settlesWithin } from './deadline.ts';
import { type Log, limitRate } from './log.ts';
import { openChannel, type Subscription } from './relay-channel.ts';
import { bullPriority, type Lane, laneOf, lanes, lanesFor, type Ticket, ticketId } from './ticket.ts';

/** Something that a running job's worker should do. */
export interface ControlMessage {
  job_id: string;
  action: 'pause' | 'cancel' | 'resume';
}

export interface QueueCounts {
  waiting: number;
  active: number;
  delayed: number;
}

/**
 * Carries tickets from the API to the workers, and hints between all processes. It decides nothing: the job table
 * does. Every call that must reach the store rejects with `UnfoldError('unavailable')` within five seconds when it
 * cannot.
 */
export interface Queue {
  /** Repeating a ticket that is held does nothing. */
  enqueue(...tickets: Ticket[]): Promise<void>;
  /** Whether the ticket waits, rests or is being handled. */
  holds(ticket: Ticket): Promise<boolean>;
  /** Takes a waiting ticket back; one that is being handled, or unknown, stays as it is. */
  remove(ticket: Ticket): Promise<void>;
  /** Takes what a worker with such a device can serve, one delivery at a time. */
  consume(device: DeviceClass, handler: Handler): Promise<Consumer>;
  /** Hints that a job's log has grown up to `seq`. Never rejects; may be merged with others or lost. */
  announce(message: Announcement): Promise<void>;
  onAnnounce(listener: (message: Announcement) => void): Subscription;
  /** Reaches every listener that is connected. A hint too: `requested` in the job table is the truth. */
  broadcast(message: ControlMessage): Promise<void>;
  onControl(listener: (message: ControlMessage) => void): Subscription;
  counts(): Promise<QueueCounts>;
  ping(): Promise<void>;
  /** Closes its consumers first, waiting for their handlers; then every connection. */
  close(): Promise<void>;
}

const announcements = 'announcements';
const control = 'control';

const toBullJob = (ticket: Ticket) => ({
  name: 'train',
  data: { job_id: ticket.job_id, ...(ticket.traceparent && { traceparent: ticket.traceparent }) },
  opts: { jobId: ticketId(ticket), priority: bullPriority(ticket.priority) },
});

const closeQueue = async ({ object, drop }: Connected<BullQueue<Payload>>): Promise<void> => {
  await settlesWithin(closeWithinMs, object.close());
  drop();
};

/**
 * Opens the queue on Redis when `redisUrl` is given, else on PostgreSQL (schema `bullmq`, made if need be).
 * @throws {UnfoldError} `unavailable` when the store cannot be reached or cannot serve
 */
export const openQueue = async (o: {
  redisUrl: string | null;
  databaseUrl: string;
  log?: Log;
}): Promise<Queue> => {
  const log = limitRate(o.log ?? (() => {}));
  const datastore = openDatastore(o);
  await reach('connect', () => datastore.check(log), 10_000);
  let closing: Promise<void> | null = null;
  const openLane = (lane: Lane): Connected<BullQueue<Payload>> => {
    const made = datastore.queue(lane, {
      defaultJobOptions: { attempts: 1, removeOnComplete: true, removeOnFail: true },
      // Nobody reads BullMQ's own events: the job table has the only log.
      streams: { events: { maxLen: 100 } },
    });
    made.object.on('error', (error) => {
      if (!closing) log('warn', 'The job queue is disturbed', error);
    });
    return made;
  };
  const made = new Map(lanes.map((lane) => [lane, openLane(lane)]));
  const queues = [...made.values()].map(({ object }) => object);
  const queueOf = (ticket: Pick<Ticket, 'device'>): BullQueue<Payload> => made.get(laneOf(ticket))!.object;
  const closeQueues = () => Promise.all([...made.values()].map(closeQueue));
  const channel = await reach(
    'connect',
    () => Promise.all(queues.map((queue) => queue.waitUntilReady())),
    30_000,
  )
    .then(() => openChannel(datastore, log))
    .catch(async (error) => {
      closing = closeQueues().then(() => undefined);
      await closing;
      throw error;
    });
  const announce = createAnnouncer((batch) => channel.publish(announcements, batch), log);
  const consumers = new Set<Consumer>();
  const add = async (queue: BullQueue<Payload>, tickets: readonly Ticket[]): Promise<void> => {
    const jobs = tickets.map(toBullJob);
    if (jobs.length >= datastore.bulkFrom) await queue.addBulk(jobs);
    else await Promise.all(jobs.map(({ name, data, opts }) => queue.add(name, data, opts)));
  };

  const closeAll = async (): Promise<void> => {
    await Promise.all([...consumers].map((consumer) => consumer.close()));
    await Promise.all([channel.close(), closeQueues()]);
  };

  return {
    enqueue: (...tickets) =>
      reach('enqueue', async () => {
        await Promise.all(
          lanes.map((lane) =>
            add(
              made.get(lane)!.object,
              tickets.filter((ticket) => laneOf(ticket) === lane),
            ),
          ),
        );
      }),
    holds: (ticket) =>
      reach('look up', async () => (await queueOf(ticket).getJob(ticketId(ticket))) !== undefined),
    remove: (ticket) => reach('remove', async () => void (await queueOf(ticket).remove(ticketId(ticket)))),
    consume: async (device, handler) => {
      const consumer = await openConsumer(datastore, lanesFor(device), handler, log);
      consumers.add(consumer);
      return consumer;
    },
    announce,
    onAnnounce: (listener) =>
      channel.subscribe<Announcement[]>(announcements, (batch) => {
        for (const message of batch) listener(message);
      }),
    broadcast: (message) => channel.publish(control, message),
    onControl: (listener) => channel.subscribe<ControlMessage>(control, listener),
    counts: () =>
      reach('count', async () => {
        const counts = await Promise.all(
          queues.map((queue) => queue.getJobCounts('waiting', 'prioritized', 'active', 'delayed')),
        );
        const of = (name: string): number => counts.reduce((sum, each) => sum + (each[name] ?? 0), 0);
        return {
          waiting: of('waiting') + of('prioritized'),
          active: of('active'),
          delayed: of('delayed'),
        };
      }),
    ping: () => reach('ping', async () => void (await queues[0]!.getJobCounts('active'))),
    close: () => (closing ??= closeAll()),
  };
};
