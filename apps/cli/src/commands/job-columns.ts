import type { JobResource } from '@unfold/contracts';
import { describeSteps, fractionOf } from '../live/draw.ts';
import { formatAge, formatDuration, oneLine } from '../output/format.ts';
import { type Style, styleStatus } from '../output/style.ts';
import type { Column } from '../output/table.ts';

const statusOf = (job: JobResource, style: Style): string => {
  const asked = job.requested === null ? '' : style.dim(` → ${job.requested}`);
  return styleStatus(style, job.status) + asked;
};

const progressOf = ({ progress: { step, total_steps, share } }: JobResource): string =>
  step === 0 && total_steps === null
    ? ''
    : `${Math.floor(fractionOf({ step, totalSteps: total_steps, share }) * 100)}%`;

/** What a job waits for, what it still needs, or for how long it has trained: it may have waited in between. */
const timeOf = (job: JobResource): string => {
  const { status, queue_position: position, progress, blocked } = job;
  if (status === 'queued') return blocked ? 'no worker' : position === null ? '' : `${position}. in queue`;
  if (status === 'running' && progress.eta_seconds !== null)
    return `${formatDuration(progress.eta_seconds)} left`;
  return progress.seconds ? `trained ${formatDuration(progress.seconds)}` : '';
};

const networkOf = ({ spec: { model } }: JobResource): string =>
  `${model.cell} ${model.num_layers}×${model.hidden_size}`;

/** How jobs are listed. @param now in milliseconds */
export const jobColumns = (style: Style, now: number): Column<JobResource>[] => [
  { name: 'job', cell: ({ id }) => id, shorten: { least: 12, keep: 'ends' } },
  {
    name: 'name',
    cell: ({ name }) => (name === null ? style.dim('–') : oneLine(name, 100)),
    shorten: { least: 12, keep: 'beginning' },
  },
  { name: 'status', cell: (job) => statusOf(job, style) },
  { name: 'done', right: true, cell: progressOf },
  { name: 'time', cell: timeOf },
  { name: 'network', cell: networkOf, spare: 2 },
  {
    name: 'steps',
    right: true,
    spare: 4,
    cell: ({ progress: { step, total_steps } }) =>
      describeSteps({ step, totalSteps: total_steps }).replace('step ', ''),
  },
  { name: 'engine', cell: ({ engine }) => engine ?? '', spare: 3 },
  { name: 'created', cell: ({ created_at }) => formatAge(Date.parse(created_at), now), spare: 1 },
];
