import type { JobStatus } from '@unfold/contracts';
import type { CallSignal } from '../http/gone-signal.ts';
import type { FollowerHub } from './follower-hub.ts';

/** Resolves at the first status frame after `head` that differs from `status`, at the time limit, or when aborted. */
export const waitForStatus = (
  hub: FollowerHub,
  job: { id: string; head: number; status: JobStatus },
  milliseconds: number,
  signal: CallSignal,
): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      follower.close();
      clearTimeout(limit);
      signal.removeEventListener('abort', done);
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
    const limit = setTimeout(done, milliseconds);
    signal.addEventListener('abort', done);
    if (signal.aborted) done();
  });
