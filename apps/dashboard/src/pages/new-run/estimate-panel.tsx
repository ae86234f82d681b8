import type { EstimateResource } from '@unfold/contracts';
import { bytes, count, duration, short } from '../../format.ts';
import { Note } from '../../ui/states.tsx';

const timeOf = ({ seconds, measured_on }: EstimateResource): { value: string; more: string } =>
  seconds === null || measured_on === null
    ? { value: 'unknown', more: 'no run like it has lasted 10 seconds here' }
    : {
        value: seconds < 1 ? 'under a second' : `about ${duration(seconds)}`,
        more: `by a run on ${measured_on.engine ?? 'an engine'} (${measured_on.device ?? 'a device'}), ${short(measured_on.tokens_per_second)} tokens/s`,
      };

interface Props {
  estimate: EstimateResource | null;
  /** Whether something was changed since. */
  stale: boolean;
  /** Whether there is none because the run would be refused. */
  refused: boolean;
}

/** What a run would take, before it is begun. */
export const EstimatePanel = ({ estimate, stale, refused }: Props) => {
  if (estimate === null)
    return (
      <p className="quiet small">
        {refused
          ? 'What the run would take cannot be estimated as it is described now.'
          : 'With a file, what the run would take is estimated here.'}
      </p>
    );
  const time = timeOf(estimate);
  const known = (value: number): string => `${count(value)}${estimate.exact ? '' : ' at most'}`;
  return (
    <>
      <dl className={`estimate ${stale ? 'stale' : ''}`} aria-busy={stale}>
        <dt>Parameters</dt>
        <dd>{known(estimate.parameters)}</dd>
        <dt>Memory</dt>
        <dd>{bytes(estimate.memory_bytes)}</dd>
        <dt>A checkpoint</dt>
        <dd>{bytes(estimate.checkpoint_bytes)}</dd>
        <dt>Outputs</dt>
        <dd>{known(estimate.vocabulary_size)}</dd>
        <dt>Steps</dt>
        <dd>
          {count(estimate.total_steps)}
          <span className="quiet small">{count(estimate.steps_per_epoch)} an epoch</span>
        </dd>
        <dt>Tokens</dt>
        <dd>{short(estimate.tokens)}</dd>
        <dt>Time</dt>
        <dd>
          {time.value}
          <span className="quiet small">{time.more}</span>
        </dd>
      </dl>
      {estimate.blocked !== null && <Note kind="warning">{estimate.blocked.message}</Note>}
    </>
  );
};
