/** So many queued jobs have a priority. */
export interface Waiting {
  priority: number;
  jobs: number;
}

/** A job that is about to be queued. */
export interface Arriving {
  id: string;
  priority: number;
}

/** Places in the queue for jobs that are about to be inserted. */
export interface Reservation {
  /** All that wait or arrive, those of this reservation not among them. Null: they are to be counted, and `others` added. */
  known: readonly Waiting[] | null;
  /** Jobs of this process that had places before, and may or may not be found in the table by now. */
  others: readonly Arriving[];
  /** To be told what was counted, without the others. */
  note(counted: readonly Waiting[]): void;
  /** To be told which are queued, once they are for good; the places of the rest are free again. Only the first call counts. */
  end(added: readonly Arriving[]): void;
}

/** How many jobs are queued, as this process knows it. */
export interface QueueCount {
  /** To be asked just before the jobs are inserted. */
  reserve(jobs: readonly Arriving[]): Reservation;
}

const rememberMs = 1000;
/** Fewer are counted as fast as anything is asked of the database. */
const manyJobs = 1000;

/**
 * Counting reads every queued job, which would make posting one slower the more there are. Where many are, the count is remembered for a
 * second, and only this process's own jobs are added to it: a job's place may then be told as it was a second ago. None is refused by it.
 *
 * Two statements at once do not see each other's jobs. Each therefore reckons with those that this process began to insert before it,
 * so that all of them together keep to the limit.
 * @param limit jobs that may be queued
 */
export const createQueueCount = (limit: number): QueueCount => {
  let known = new Map<number, number>();
  let until = Number.NEGATIVE_INFINITY;
  /** Of the reservations that have not ended: their jobs, and what was queued since they were made. */
  const open = new Set<{ jobs: readonly Arriving[]; since: Arriving[] }>();

  const add = (to: Map<number, number>, jobs: readonly Arriving[]): Map<number, number> => {
    for (const { priority } of jobs) to.set(priority, (to.get(priority) ?? 0) + 1);
    return to;
  };
  const sum = (counts: Map<number, number>): number => [...counts.values()].reduce((a, b) => a + b, 0);

  return {
    reserve(jobs) {
      const others = [...open].flatMap((reservation) => reservation.jobs);
      const isRemembered = performance.now() < until && sum(known) + others.length + jobs.length <= limit;
      const own = { jobs, since: [] as Arriving[] };
      open.add(own);
      return {
        known: isRemembered
          ? Array.from(add(new Map(known), others), ([priority, jobs]) => ({ priority, jobs }))
          : null,
        others,
        note(counted) {
          known = new Map(counted.map(({ priority, jobs }) => [priority, jobs]));
          until = sum(known) >= manyJobs ? performance.now() + rememberMs : Number.NEGATIVE_INFINITY;
          // Some of these may have been counted as well, which is no harm: before one is refused, all are counted anew.
          add(known, own.since);
        },
        end(added) {
          if (!open.delete(own)) return;
          add(known, added);
          for (const { since } of open) since.push(...added);
        },
      };
    },
  };
};
