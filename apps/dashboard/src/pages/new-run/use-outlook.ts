import type { EstimateResource, JobSpecInput, PreviewResource } from '@unfold/contracts';
import { useEffect, useState } from 'react';
import { useUnfold } from '../../api.ts';
import { describeError } from '../../describe-error.ts';
import type { Draft } from './draft.ts';
import type { Problem } from './option-field.tsx';

const settleMs = 400;

export interface Outlook {
  estimate: EstimateResource | null;
  preview: PreviewResource | null;
  /** What the API would refuse. */
  problem: Problem | null;
  /** Whether it is of an earlier draft. */
  stale: boolean;
}

/** What the API says of a draft, asked for once the draft has been left alone for a moment; null: not before it has a file. */
export const useOutlook = (draft: Draft): Outlook => {
  const { client } = useUnfold();
  const [outlook, setOutlook] = useState<Outlook>({
    estimate: null,
    preview: null,
    problem: null,
    stale: false,
  });
  useEffect(() => {
    if (draft.file === undefined) return;
    setOutlook((before) => ({ ...before, stale: true }));
    const stop = new AbortController();
    const { signal } = stop;
    const spec = draft as JobSpecInput;
    const timer = setTimeout(async () => {
      const [estimate, preview] = await Promise.allSettled([
        client.jobs.estimate(spec, { signal }),
        client.jobs.preview(spec, { signal }),
      ]);
      if (signal.aborted) return;
      const refused = [estimate, preview].find((each) => each.status === 'rejected');
      const problem = refused ? describeError(refused.reason) : null;
      setOutlook((before) => ({
        estimate: estimate.status === 'fulfilled' ? estimate.value : null,
        // Data that is refused is not what was shown before; another option's error leaves it as it was.
        preview:
          preview.status === 'fulfilled' ? preview.value : problem?.param === 'file' ? null : before.preview,
        problem,
        stale: false,
      }));
    }, settleMs);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [client, draft]);
  return outlook;
};
