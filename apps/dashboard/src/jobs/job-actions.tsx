import type { JobResource } from '@unfold/contracts';
import { currentAccess } from '../api.ts';
import { describeError } from '../describe-error.ts';
import { putJob } from '../live/jobs.ts';
import { Button, ButtonLink } from '../ui/button.tsx';
import { Icon, type IconName } from '../ui/icon.tsx';
import { tell } from '../ui/toasts.tsx';
import { deleteLater } from './delete-later.ts';
import { isFinal, titleOf } from './describe-job.ts';

type Action = 'pause' | 'resume' | 'cancel';

const act = async (job: JobResource, action: Action): Promise<void> => {
  try {
    putJob(await currentAccess().client.jobs[action](job.id));
  } catch (error) {
    tell(describeError(error).message, { kind: 'error' });
  }
};

const actionsFor = (job: JobResource): { action: Action; icon: IconName; label: string }[] => {
  const { status, requested } = job;
  const pause = { action: 'pause', icon: 'pause', label: 'Pause' } as const;
  const resume = { action: 'resume', icon: 'resume', label: 'Resume' } as const;
  const cancel = { action: 'cancel', icon: 'cancel', label: 'Cancel' } as const;
  if (requested === 'cancel' || status === 'succeeded') return [];
  if (isFinal(job)) return [resume];
  return [status === 'paused' || requested === 'pause' ? resume : pause, cancel];
};

/** What can be done to a run. @param withText writes what each does beside its sign */
export const JobActions = ({
  job,
  withText = false,
  onDelete,
}: {
  job: JobResource;
  withText?: boolean;
  onDelete?: () => void;
}) => {
  const name = titleOf(job);
  const look = (text: string) => (withText ? {} : { label: `${text} ${name}`, kind: 'bare' as const });
  return (
    <div className="row job-actions">
      {actionsFor(job).map(({ action, icon, label }) => (
        <Button key={action} {...look(label)} onClick={() => void act(job, action)}>
          <Icon name={icon} />
          {withText && label}
        </Button>
      ))}
      <ButtonLink {...look('Clone and edit')} to={`/new?from=${job.id}`}>
        <Icon name="clone" />
        {withText && 'Clone and edit'}
      </ButtonLink>
      {isFinal(job) && (
        <Button
          {...look('Delete')}
          onClick={() => {
            deleteLater(job);
            onDelete?.();
          }}
        >
          <Icon name="delete" />
          {withText && 'Delete'}
        </Button>
      )}
    </div>
  );
};
