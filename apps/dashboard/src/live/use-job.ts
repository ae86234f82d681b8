import type { JobResource } from '@unfold/contracts';
import { useCallback, useEffect, useState } from 'react';
import { currentAccess } from '../api.ts';
import { useExternal } from '../external.ts';
import { connection } from './connection.ts';
import { knownJobs, putJob } from './jobs.ts';

interface Found {
  /** Those that are known by now. */
  jobs: ReadonlyMap<string, JobResource>;
  /** Why others could not be had. */
  errors: ReadonlyMap<string, unknown>;
  /** Asks again for those. */
  retry: () => void;
}

/** Runs as the list knows them, asked for where the list does not reach, and again whenever the API is back. */
export const useJobs = (ids: readonly string[]): Found => {
  const jobs = useExternal(knownJobs).byId;
  const isOpen = useExternal(connection) === 'open';
  const [errors, setErrors] = useState<ReadonlyMap<string, unknown>>(new Map());
  const [turn, setTurn] = useState(0);
  const unknown = ids.filter((id) => !jobs.has(id)).join();
  // biome-ignore lint/correctness/useExhaustiveDependencies: `turn` and the connection are reasons to ask again.
  useEffect(() => {
    setErrors(new Map());
    if (unknown === '') return;
    const stop = new AbortController();
    const { signal } = stop;
    for (const id of unknown.split(','))
      currentAccess()
        .client.jobs.get(id, { signal })
        .then(
          putJob,
          (reason) => !signal.aborted && setErrors((last) => new Map([...last, [id, reason] as const])),
        );
    return () => stop.abort();
  }, [unknown, turn, isOpen]);
  const retry = useCallback(() => setTurn((last) => last + 1), []);
  return { jobs, errors, retry };
};
