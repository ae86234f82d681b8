import type { DeviceClass } from '@unfold/contracts';

/** One entry of the queue: the `enqueue_count`-th time that a job was given to it. */
export interface Ticket {
  job_id: string;
  enqueue_count: number;
  /** −100 … 100, higher first. */
  priority: number;
  /** The class of device that the job needs; null: any. */
  device: DeviceClass | null;
  /** The span (W3C Trace Context) that this enqueueing belongs to, if it is traced. */
  traceparent?: string | null;
}

/** BullMQ's queues: what needs a GPU is in one of its own, since BullMQ hands a consumer whatever is next. */
export const lanes = ['jobs', 'jobs-gpu'] as const;
export type Lane = (typeof lanes)[number];

export const laneOf = ({ device }: Pick<Ticket, 'device'>): Lane => (device === 'gpu' ? 'jobs-gpu' : 'jobs');

/** What a worker takes, first what nobody else may. A process with a GPU has a processor too, which serves every other job. */
export const lanesFor = (device: DeviceClass): readonly Lane[] =>
  device === 'gpu' ? ['jobs-gpu', 'jobs'] : ['jobs'];

/** BullMQ ignores an id that it holds already, so every enqueueing of a job has an id of its own. */
export const ticketId = ({ job_id, enqueue_count }: Pick<Ticket, 'job_id' | 'enqueue_count'>): string =>
  `${job_id}-${enqueue_count}`;

export const readTicketId = (id: string | undefined): number => Number(id?.slice(id.lastIndexOf('-') + 1));

/** BullMQ takes 1 first; ours is higher first, from 100 down to −100. */
export const bullPriority = (priority: number): number => 101 - priority;
