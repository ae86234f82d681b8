import type { Queue } from '@unfold/queue';
import type { CreatedJob, PlainJob, Store } from '@unfold/store';
import { createGatherer } from '../gather.ts';

type Ticket = Parameters<Queue['enqueue']>[0];

/** Stores and enqueues jobs that are posted at about the same time together. */
export interface JobIntake {
  /** @throws UnfoldError as `store.jobs.create` */
  store(job: PlainJob): Promise<CreatedJob>;
  /** @throws UnfoldError `unavailable` */
  enqueue(tickets: readonly Ticket[]): Promise<void>;
}

export const createJobIntake = (store: Pick<Store, 'jobs'>, queue: Queue): JobIntake => {
  const enqueueOne = createGatherer(async (tickets: Ticket[]) => {
    await queue.enqueue(...tickets);
    return tickets.map(() => undefined);
  });
  return {
    store: createGatherer((jobs: PlainJob[]) => store.jobs.createMany(jobs)),
    enqueue: (tickets) => (tickets.length === 1 ? enqueueOne(tickets[0]!) : queue.enqueue(...tickets)),
  };
};
