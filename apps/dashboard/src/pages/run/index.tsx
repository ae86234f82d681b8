import { useEffect, useMemo } from 'react';
import { useLocation, useParams, useSearchParams } from 'wouter';
import { describeError } from '../../describe-error.ts';
import { titleOf } from '../../jobs/describe-job.ts';
import { useFresh } from '../../live/use-fresh.ts';
import { useJobs } from '../../live/use-job.ts';
import { useRecordState, useRuns, useVersion } from '../../live/use-runs.ts';
import { Button } from '../../ui/button.tsx';
import { Failure, Loading, Note } from '../../ui/states.tsx';
import { Tabs } from '../../ui/tabs.tsx';
import { CheckpointsPanel } from './checkpoints-panel.tsx';
import { CurvesPanel } from './curves-panel.tsx';
import { GradientsPanel } from './gradients-panel.tsx';
import { LogPanel } from './log-panel.tsx';
import { RunHead } from './run-head.tsx';
import { SamplesPanel } from './samples-panel.tsx';
import { SpecPanel } from './spec-panel.tsx';
import './run.css';

const tabs = [
  { id: 'curves', title: 'Curves' },
  { id: 'samples', title: 'Samples' },
  { id: 'gradients', title: 'Gradients' },
  { id: 'log', title: 'Log' },
  { id: 'checkpoints', title: 'Checkpoints' },
  { id: 'spec', title: 'Spec' },
] as const;
type TabId = (typeof tabs)[number]['id'];

/** One run, live: what it is and does, its curves, and everything else that it has told. */
const RunPage = () => {
  const { id } = useParams<{ id: string }>();
  const ids = useMemo(() => [id], [id]);
  const { jobs, errors, retry } = useJobs(ids);
  const job = jobs.get(id) ?? null;
  useFresh(job);
  const [record] = useRuns(ids);
  const state = useRecordState(record);
  const version = useVersion(record);
  const [query, setQuery] = useSearchParams();
  const [, goTo] = useLocation();
  const tab: TabId = tabs.find((known) => known.id === query.get('tab'))?.id ?? 'curves';
  const title = job ? titleOf(job) : 'Run';
  useEffect(() => {
    document.title = `${title}, Unfold`;
    return () => {
      document.title = 'Unfold';
    };
  }, [title]);
  const runs = useMemo(
    () => (record && job ? [{ record, job, title, color: 'series-1' }] : []),
    [record, job, title],
  );

  const tryAgain = () => {
    retry();
    record?.retry();
  };
  const failed = errors.get(id) ?? (state.loaded ? null : state.error);
  if (failed !== null) return <Failure isPage error={failed} retry={tryAgain} />;
  if (job === null || record === undefined || !state.loaded) return <Loading what="Reading the run" />;
  const select = (next: TabId) =>
    setQuery(
      (last) => {
        const changed = new URLSearchParams(last);
        if (next === 'curves') changed.delete('tab');
        else changed.set('tab', next);
        return changed;
      },
      { replace: true },
    );
  const counted = tabs.map((known) =>
    known.id === 'samples' ? { ...known, count: record.frames('sample').length } : known,
  );
  return (
    <>
      <RunHead job={job} record={record} onDelete={() => goTo('/')} />
      {state.error !== null && (
        <Note kind="warning">
          Not all that the run has told could be read: {describeError(state.error).message}{' '}
          <Button kind="bare" onClick={tryAgain}>
            Try again
          </Button>
        </Note>
      )}
      <Tabs label="Parts of the run" tabs={counted} selected={tab} onSelect={select}>
        {tab === 'curves' && <CurvesPanel runs={runs} version={version} />}
        {tab === 'samples' && <SamplesPanel samples={record.frames('sample')} />}
        {tab === 'gradients' && <GradientsPanel record={record} job={job} version={version} />}
        {tab === 'log' && <LogPanel record={record} />}
        {tab === 'checkpoints' && <CheckpointsPanel job={job} />}
        {tab === 'spec' && <SpecPanel job={job} />}
      </Tabs>
    </>
  );
};

export default RunPage;
