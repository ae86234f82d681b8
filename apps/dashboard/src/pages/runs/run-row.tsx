import type { JobResource } from '@unfold/contracts';
import { memo, useEffect } from 'react';
import { Link } from 'wouter';
import { Sparkline } from '../../charts/sparkline.tsx';
import { useExternal } from '../../external.ts';
import { ago, count, dateTime, duration, measure, short } from '../../format.ts';
import { networkOf, shareOf, titleOf } from '../../jobs/describe-job.ts';
import { JobActions } from '../../jobs/job-actions.tsx';
import { StatusBadge } from '../../jobs/status-badge.tsx';
import { keepSummary, summaryOf } from '../../live/summaries.ts';
import { useFresh } from '../../live/use-fresh.ts';
import { Progress } from '../../ui/progress.tsx';

interface RowProps {
  job: JobResource;
  selected: boolean;
  onSelect: (id: string, selected: boolean) => void;
}

const timeLeft = (job: JobResource, etaSeconds: number | null): string => {
  // Its place in the queue means nothing while nobody can serve it.
  if (job.blocked !== null) return 'no worker for it';
  if (job.status === 'queued')
    return job.queue_position === null ? '' : `${count(job.queue_position)}. in the queue`;
  if (job.status !== 'running' || etaSeconds === null) return '';
  return `${duration(etaSeconds)} left`;
};

/** One run, live while it is on the screen. */
export const RunRow = memo(({ job, selected, onSelect }: RowProps) => {
  const summary = useExternal(summaryOf(job.id));
  useFresh(job);
  // biome-ignore lint/correctness/useExhaustiveDependencies: what a run has told is read anew with its state, not with its progress.
  useEffect(() => keepSummary(job), [job.id, job.status, job.attempt, job.ended_at]);
  const title = titleOf(job);
  const step = Math.max(summary.step, job.progress.step);
  const share = shareOf(job, step);
  const total = job.progress.total_steps;
  return (
    <tr data-selected={selected}>
      <td className="select-cell">
        <input
          type="checkbox"
          aria-label={`Compare ${title}`}
          checked={selected}
          onChange={(event) => onSelect(job.id, event.target.checked)}
        />
      </td>
      <td className="name-cell">
        <Link to={`/runs/${job.id}`} title={title}>
          {title}
        </Link>
        <div className="quiet small">{networkOf(job)}</div>
      </td>
      <td>
        <StatusBadge job={job} />
      </td>
      <td className="progress-cell">
        <Progress share={share} label={`Progress of ${title}`} />
        <div className="quiet small">
          {total === null ? `step ${count(step)}` : `${count(step)} of ${count(total)}`}
          <span className="push" title={job.blocked?.message}>
            {timeLeft(job, summary.etaSeconds)}
          </span>
        </div>
      </td>
      <td className="loss-cell">
        <Sparkline points={summary.spark} />
        <span>{measure(summary.loss)}</span>
      </td>
      <td className="number">{summary.tokensPerSecond === null ? '–' : short(summary.tokensPerSecond)}</td>
      <td>
        {job.device ?? '–'}
        {job.engine !== null && <div className="quiet small">{job.engine}</div>}
      </td>
      <td className="quiet">
        <time dateTime={job.created_at} title={dateTime(job.created_at)}>
          {ago(job.created_at)}
        </time>
      </td>
      <td>
        <JobActions job={job} />
      </td>
    </tr>
  );
});
