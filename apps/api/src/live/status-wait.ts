import type { JobStatus } from '@unfold/contracts';
import type { FollowerHub } from './follower-hub.ts';

/** Resolves at the first status frame after `head` that differs from `status`, at the time limit, or when aborted. */
export const waitForStatus = (
  hub: FollowerHub,
  job: { id: string; head: number; status: JobStatus },
  milliseconds: number,
  signals: AbortSignal[],
): Promise<void> =>
  new Promise((resolve) => {
    const given = AbortSignal.any([...signals, AbortSignal.timeout(milliseconds)]);
    const done = (): void => {
      follower.close();
      given.removeEventListener('abort', done);
      resolve();
    };
    const follower = hub.follow(job.id, job.head, {
      write({ frame }) {
        if (frame.type === 'status' && frame.status !== job.status) done();
        return true;
      },
      ready: () => Promise.resolve(),
      end: () => done(),
    });
    given.addEventListener('abort', done);
    if (given.aborted) done();
  });
