import type { JobResource } from '@unfold/contracts';
import './status-badge.css';

/** A run's status in a word, with what was asked of it and not yet done. */
export const StatusBadge = ({ job }: { job: JobResource }) => {
  const asked = { pause: 'pausing', cancel: 'cancelling' };
  const text = job.requested ? asked[job.requested] : job.blocked ? 'blocked' : job.status;
  return <span className={`badge ${job.blocked ? 'blocked' : job.status}`}>{text}</span>;
};
