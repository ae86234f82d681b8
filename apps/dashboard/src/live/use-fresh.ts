import type { JobResource } from '@unfold/contracts';
import { useEffect } from 'react';
import { refreshJob } from './jobs.ts';

const oftenMs = 1000;
const seldomMs = 10_000;

/** Asks for a running run again while it is shown, since frames do not tell its progress: soon while its number of steps is not known, then seldom. */
export const useFresh = (job: JobResource | null): void => {
  const id = job?.status === 'running' ? job.id : null;
  const attempt = job?.attempt;
  const isCounted = job?.progress.total_steps != null;
  // biome-ignore lint/correctness/useExhaustiveDependencies: another attempt has something new to tell soon.
  useEffect(() => {
    if (id === null) return;
    let wait = isCounted ? seldomMs : oftenMs;
    let timer: ReturnType<typeof setTimeout>;
    const plan = (): void => {
      timer = setTimeout(async () => {
        if (document.visibilityState === 'visible') await refreshJob(id);
        wait = Math.min(seldomMs, 1.5 * wait);
        if (!over) plan();
      }, wait);
    };
    let over = false;
    plan();
    return () => {
      over = true;
      clearTimeout(timer);
    };
  }, [id, attempt, isCounted]);
};
