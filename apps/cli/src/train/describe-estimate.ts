import type { EstimateResource } from '@unfold/contracts';
import { formatBytes, formatDuration, formatNumber } from '../output/format.ts';
import { namedLines } from '../output/named-lines.ts';

const timeOf = ({ seconds, measured_on: measured }: EstimateResource): string => {
  if (seconds === null || measured === null) return 'unknown: no run like it has lasted 10 seconds there';
  const about = seconds < 1 ? 'under a second' : `about ${formatDuration(seconds)}`;
  const { engine, device, job_id, tokens_per_second: speed } = measured;
  return `${about}, by ${job_id} on ${engine ?? 'an engine'}, ${device ?? 'a device'}: ${formatNumber(speed)} tokens/s`;
};

/** What a run would take, a line for each figure. */
export const describeEstimate = (estimate: EstimateResource): string => {
  const known = (value: number): string => `${estimate.exact ? '' : 'at most '}${formatNumber(value)}`;
  return namedLines([
    ['parameters', known(estimate.parameters)],
    ['outputs', known(estimate.vocabulary_size)],
    ['memory', formatBytes(estimate.memory_bytes)],
    ['a checkpoint', formatBytes(estimate.checkpoint_bytes)],
    ['steps', `${formatNumber(estimate.total_steps)}, ${formatNumber(estimate.steps_per_epoch)} an epoch`],
    ['tokens', formatNumber(estimate.tokens)],
    ['time', timeOf(estimate)],
    ...(estimate.blocked ? [['waits', estimate.blocked.message] as const] : []),
  ]);
};
