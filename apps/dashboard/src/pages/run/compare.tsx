import type { JobResource } from '@unfold/contracts';
import { useMemo } from 'react';
import { Link, useSearchParams } from 'wouter';
import { describeError } from '../../describe-error.ts';
import { measure } from '../../format.ts';
import { networkOf, titleOf } from '../../jobs/describe-job.ts';
import { StatusBadge } from '../../jobs/status-badge.tsx';
import type { RunRecord } from '../../live/run-record.ts';
import { useJobs } from '../../live/use-job.ts';
import { useRuns, useVersions } from '../../live/use-runs.ts';
import { Button, ButtonLink } from '../../ui/button.tsx';
import { Icon } from '../../ui/icon.tsx';
import { Empty, Failure, Loading, Note } from '../../ui/states.tsx';
import { Table } from '../../ui/table.tsx';
import { CurvesPanel } from './curves-panel.tsx';
import { differencesOf } from './differences.ts';
import './run.css';

/** As many as there are colours that can be told apart. */
const most = 8;

/** Runs of the same name are told apart by the ends of their ids. */
const titlesOf = (jobs: readonly JobResource[]): string[] =>
  jobs.map((job) => {
    const title = titleOf(job);
    const isAlone = jobs.filter((other) => titleOf(other) === title).length === 1;
    return isAlone ? title : `${title} ${job.id.slice(-4)}`;
  });

const least = (record: RunRecord, name: string): number | null => {
  const values = record.curves.byName.get(name)?.value.values;
  return values && values.length > 0 ? values.reduce((low, value) => Math.min(low, value)) : null;
};

/** Several runs over each other: their curves, what they reached, and where their specs differ. */
const ComparePage = () => {
  const [query, setQuery] = useSearchParams();
  const asked = query.get('runs') ?? '';
  const ids = useMemo(() => [...new Set(asked.split(',').filter(Boolean))].slice(0, most), [asked]);
  const { jobs: known, errors, retry } = useJobs(ids);
  const records = useRuns(ids);
  const version = useVersions(records);
  const failures = records.flatMap(({ id, state }) => {
    const error = errors.get(id) ?? (state.get().loaded ? null : state.get().error);
    return error === null ? [] : [{ id, error }];
  });
  const without = failures.map(({ id }) => id).join();
  const runs = useMemo(() => {
    const left = new Set(without.split(','));
    const jobs = records.flatMap(({ id }) => (left.has(id) ? [] : (known.get(id) ?? [])));
    const titles = titlesOf(jobs);
    return jobs.map((job, place) => ({
      record: records.find(({ id }) => id === job.id)!,
      job,
      title: titles[place]!,
      color: `series-${place + 1}`,
    }));
  }, [records, known, without]);
  if (ids.length === 0)
    return (
      <Empty isPage title="Nothing to compare">
        <p>Select two runs or more in the list.</p>
        <div>
          <ButtonLink to="/">To the runs</ButtonLink>
        </div>
      </Empty>
    );
  const tryAgain = () => {
    retry();
    for (const record of records) record.retry();
  };
  const [failure] = failures;
  if (failure !== undefined && failures.length === ids.length)
    return <Failure isPage error={failure.error} retry={tryAgain} />;
  if (runs.length + failures.length < ids.length || runs.some(({ record }) => !record.state.get().loaded))
    return <Loading what="Reading the runs" />;
  const withoutRun = (id: string): URLSearchParams => {
    const next = new URLSearchParams(query);
    next.set('runs', ids.filter((other) => other !== id).join(','));
    return next;
  };
  const remove = (id: string) => setQuery(withoutRun(id), { replace: true });
  const differences = differencesOf(runs.map(({ job }) => job.spec));
  return (
    <>
      <header className="page-head">
        <h1>Compare {runs.length === 1 ? '1 run' : `${runs.length} runs`}</h1>
      </header>
      <div className="stack">
        {failures.map(({ id, error }) => (
          <Note key={id} kind="warning">
            {describeError(error).message} <Link to={`/compare?${withoutRun(id)}`}>Leave it out</Link>
          </Note>
        ))}
        <Table label="Runs that are compared" className="compared">
          <thead>
            <tr>
              <th>Run</th>
              <th>Status</th>
              <th className="number">Lowest loss</th>
              <th className="number">Lowest validation loss</th>
              {differences.map(({ path }) => (
                <th key={path}>{path}</th>
              ))}
              <th>
                <span className="visually-hidden">Actions</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {runs.map(({ job, record, title, color }, place) => (
              <tr key={job.id}>
                <td>
                  <svg width="12" height="12" aria-hidden="true">
                    <circle cx="6" cy="6" r="5" fill={`var(--${color})`} />
                  </svg>{' '}
                  <Link to={`/runs/${job.id}`}>{title}</Link>
                  <div className="quiet small">{networkOf(job)}</div>
                </td>
                <td>
                  <StatusBadge job={job} />
                </td>
                <td className="number">{measure(least(record, 'loss'))}</td>
                <td className="number">{measure(least(record, 'validation_loss'))}</td>
                {differences.map(({ path, values }) => (
                  <td key={path} className="mono">
                    {values[place]}
                  </td>
                ))}
                <td>
                  <Button kind="bare" label={`Leave out ${title}`} onClick={() => remove(job.id)}>
                    <Icon name="cancel" />
                  </Button>
                </td>
              </tr>
            ))}
          </tbody>
        </Table>
        <div>
          <CurvesPanel runs={runs} version={version} compare />
        </div>
      </div>
    </>
  );
};

export default ComparePage;
