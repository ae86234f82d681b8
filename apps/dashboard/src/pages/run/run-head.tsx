import type { JobResource } from '@unfold/contracts';
import type { ReactNode } from 'react';
import { count, dateTime, duration, measure, short } from '../../format.ts';
import { isFinal, networkOf, shareOf, titleOf } from '../../jobs/describe-job.ts';
import { JobActions } from '../../jobs/job-actions.tsx';
import { StatusBadge } from '../../jobs/status-badge.tsx';
import type { RunRecord } from '../../live/run-record.ts';
import { Button } from '../../ui/button.tsx';
import { Icon } from '../../ui/icon.tsx';
import { Progress } from '../../ui/progress.tsx';
import { Note } from '../../ui/states.tsx';
import { saveWeights } from './save-weights.ts';
import { gapsOf, idleBefore } from './training-time.ts';

const lastOf = (record: RunRecord, name: string): number | null => {
  const value = record.curves.byName.get(name)?.value;
  return value && value.length > 0 ? value.at(value.length - 1) : null;
};

const Fact = ({ title, children }: { title: string; children: ReactNode }) => (
  <div className="fact">
    <dt className="quiet small">{title}</dt>
    <dd>{children}</dd>
  </div>
);

const timeOf = (job: JobResource, record: RunRecord, etaSeconds: number | null): [string, string] => {
  if (job.status === 'running') return ['Time left', etaSeconds === null ? '–' : duration(etaSeconds)];
  if (job.started_at === null) return ['Posted', dateTime(job.created_at)];
  if (job.ended_at === null) return ['Begun', dateTime(job.started_at)];
  const ended = Date.parse(job.ended_at);
  const idle = idleBefore(gapsOf(record.frames('status')), ended);
  return ['Trained for', duration((ended - Date.parse(job.started_at) - idle) / 1000)];
};

/** What a run is, how far it is, what can be done to it, and what stands in its way. */
export const RunHead = ({
  job,
  record,
  onDelete,
}: {
  job: JobResource;
  record: RunRecord;
  onDelete: () => void;
}) => {
  const steps = record.curves.byName.get('loss')?.step;
  const step = Math.max(job.progress.step, steps && steps.length > 0 ? steps.at(steps.length - 1) : 0);
  const total = job.progress.total_steps;
  const [timeTitle, time] = timeOf(job, record, lastOf(record, 'eta_seconds'));
  const speed = lastOf(record, 'tokens_per_second');
  return (
    <header className="run-head">
      <div className="page-head">
        <h1>{titleOf(job)}</h1>
        <StatusBadge job={job} />
        <div className="row push">
          {job.model_id !== null && (
            <Button onClick={() => void saveWeights(job.model_id!)}>
              <Icon name="download" />
              Weights
            </Button>
          )}
          <JobActions job={job} withText onDelete={onDelete} />
        </div>
      </div>
      {job.error !== null && (
        <Note kind="error">
          <strong>{job.error.code}</strong> {job.error.message}
        </Note>
      )}
      {job.blocked !== null && <Note kind="warning">{job.blocked.message}</Note>}
      {job.warnings.map((warning) => (
        <Note key={warning} kind="warning">
          {warning}
        </Note>
      ))}
      <dl className="facts">
        <div className="fact progress-fact">
          <dt className="quiet small">Progress</dt>
          <dd>
            {count(step)}
            {total !== null && <span className="quiet"> of {count(total)} steps</span>}
            <Progress share={shareOf(job, step)} label={`Progress of ${titleOf(job)}`} />
          </dd>
        </div>
        <Fact title={timeTitle}>{time}</Fact>
        <Fact title="Loss">{measure(lastOf(record, 'loss'))}</Fact>
        <Fact title="Validation">{measure(lastOf(record, 'validation_loss'))}</Fact>
        <Fact title={isFinal(job) ? 'Tokens/s, last' : 'Tokens/s'}>
          {speed === null ? '–' : short(speed)}
        </Fact>
        <Fact title="Network">{networkOf(job)}</Fact>
        <Fact title="Device">
          {job.device ?? '–'}
          {job.engine !== null && <span className="quiet"> {job.engine}</span>}
        </Fact>
      </dl>
    </header>
  );
};
