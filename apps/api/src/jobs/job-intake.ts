import type { Queue } from '@unfold/queue';
import type { CreatedJob, PlainJob, Store } from '@unfold/store';
import { createGatherer } from '../gather.ts';

type Ticket = Parameters<Queue['enqueue']>[0];

/** Stores and enqueues jobs that are posted at about the same time together. */
export interface JobIntake {
  /** @throws UnfoldError as `store.jobs.create` */
  store(job: PlainJob): Promise<CreatedJob>;
  /** @throws UnfoldError `unavailable` */
  enqueue(ticket: Ticket): Promise<void>;
}

export const createJobIntake = (store: Pick<Store, 'jobs'>, queue: Queue): JobIntake => ({
  store: createGatherer((jobs: PlainJob[]) => store.jobs.createMany(jobs)),
  enqueue: createGatherer(async (tickets: Ticket[]) => {
    await queue.enqueue(...tickets);
    return tickets.map(() => undefined);
  }),
});
