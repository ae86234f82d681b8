import type { JobResource } from '@unfold/contracts';
import { useEffect, useState } from 'react';
import { currentAccess } from '../api.ts';
import { useExternal } from '../external.ts';
import { knownJobs, putJob } from './jobs.ts';

/** A run as the list knows it, asked for where the list does not reach. */
export const useJob = (id: string): { job: JobResource | null; error: unknown } => {
  const job = useExternal(knownJobs).byId.get(id) ?? null;
  const [error, setError] = useState<unknown>(null);
  const isKnown = job !== null;
  useEffect(() => {
    if (isKnown) return;
    const stop = new AbortController();
    setError(null);
    currentAccess()
      .client.jobs.get(id, { signal: stop.signal })
      .then(putJob, (reason) => !stop.signal.aborted && setError(reason));
    return () => stop.abort();
  }, [id, isKnown]);
  return { job, error };
};
