/** So many queued jobs have a priority. */
export interface Waiting {
  priority: number;
  jobs: number;
}

/** How many jobs are queued, as this process knows it. */
export interface QueueCount {
  /** Null: they are to be counted, since few are or nobody has lately, or since so many more might not fit. */
  recall(more: number): readonly Waiting[] | null;
  /** To be told what was counted, unless it was recalled, and the priorities of jobs that were added to it. */
  note(counted: readonly Waiting[] | null, added: readonly number[]): void;
}

const rememberMs = 1000;
/** Fewer are counted as fast as anything is asked of the database. */
const manyJobs = 1000;

/**
 * Counting reads every queued job, which would make posting one slower the more there are. Where many are, the count is remembered for a
 * second, and only this process's own jobs are added to it: a job's place may then be told as it was a second ago. None is refused by it.
 * @param limit jobs that may be queued
 */
export const createQueueCount = (limit: number): QueueCount => {
  let known = new Map<number, number>();
  let total = 0;
  let until = Number.NEGATIVE_INFINITY;

  return {
    recall(more) {
      if (performance.now() >= until || total + more > limit) return null;
      return Array.from(known, ([priority, jobs]) => ({ priority, jobs }));
    },
    note(counted, added) {
      if (counted !== null) {
        known = new Map(counted.map(({ priority, jobs }) => [priority, jobs]));
        total = counted.reduce((sum, { jobs }) => sum + jobs, 0);
        until = total >= manyJobs ? performance.now() + rememberMs : Number.NEGATIVE_INFINITY;
      }
      for (const priority of added) known.set(priority, (known.get(priority) ?? 0) + 1);
      total += added.length;
    },
  };
};
