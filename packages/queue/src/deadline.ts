import { UnfoldError } from '@unfold/contracts';

/** How long a caller waits for the store of the queue. Long enough for a busy machine, short enough for a request. */
export const answerWithinMs = 5000;

/** How long an orderly end of connections may take before they are dropped. */
export const closeWithinMs = 2000;

/** Settles like `work`, or rejects after `ms`. The work itself goes on: whatever it does later is harmless here. */
export const within = async <T>(ms: number, work: Promise<T>): Promise<T> => {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
};

/** Whether `work` settles within `ms`, either way. */
export const settlesWithin = (ms: number, work: Promise<unknown>): Promise<boolean> =>
  within(
    ms,
    work.then(
      () => true,
      () => true,
    ),
  ).catch(() => false);

/** Turns every failure to reach the store into the catalogue's `unavailable`. */
export const reach = async <T>(what: string, work: () => Promise<T>, ms = answerWithinMs): Promise<T> => {
  try {
    return await within(ms, work());
  } catch (cause) {
    if (cause instanceof UnfoldError) throw cause;
    throw new UnfoldError('unavailable', `The job queue cannot be reached (${what}). Try again.`, { cause });
  }
};
