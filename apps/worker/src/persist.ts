import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { toUnfoldError } from './outcome-of-error.ts';

const firstDelayMs = 50;
const longestDelayMs = 2000;

/** A lost database or queue comes back and a full one gets room; meanwhile a run goes on as far as its buffers allow. */
const isPassing = (error: unknown): boolean =>
  ['unavailable', 'storage_full'].includes(toUnfoldError(error).code);

/**
 * Runs an operation of the store or the queue until it is answered.
 *
 * `uncertain` is true after a try that ended without an answer: it may have been committed. The operation then looks
 * before it writes again, or is one whose repetition changes nothing.
 */
export type Persist = <T>(what: string, operation: (uncertain: boolean) => Promise<T>) => Promise<T>;

/** @param signal ends the retrying: the last error is thrown then. Only for what may be left undone. */
export const createPersist =
  (log: Logger, signal?: AbortSignal): Persist =>
  async (what, operation) => {
    for (let tries = 0; ; tries += 1) {
      try {
        const result = await operation(tries > 0);
        if (tries > 0) log.info({ what, tries }, 'Answered again.');
        return result;
      } catch (error) {
        if (!isPassing(error) || signal?.aborted) throw error;
        if (tries === 0) log.warn({ what, err: error }, 'No answer; trying until there is one.');
        await delay(Math.min(longestDelayMs, firstDelayMs * 2 ** Math.min(tries, 10)));
      }
    }
  };
