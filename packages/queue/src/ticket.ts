/** One entry of the queue: the `enqueue_count`-th time that a job was given to it. */
export interface Ticket {
  job_id: string;
  enqueue_count: number;
  /** −100 … 100, higher first. */
  priority: number;
  /** The span (W3C Trace Context) that this enqueueing belongs to, if it is traced. */
  traceparent?: string | null;
}

export const queueName = 'jobs';

/** BullMQ ignores an id that it holds already, so every enqueueing of a job has an id of its own. */
export const ticketId = ({ job_id, enqueue_count }: Pick<Ticket, 'job_id' | 'enqueue_count'>): string =>
  `${job_id}-${enqueue_count}`;

export const readTicketId = (id: string | undefined): number => Number(id?.slice(id.lastIndexOf('-') + 1));

/** BullMQ takes 1 first; ours is higher first, from 100 down to −100. */
export const bullPriority = (priority: number): number => 101 - priority;
