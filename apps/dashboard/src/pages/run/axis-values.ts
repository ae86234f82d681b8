import type { JobResource } from '@unfold/contracts';
import type { MetricPoints } from '../../live/curves.ts';
import { type Gap, idleBefore } from './training-time.ts';

/**
 * Tokens that the run had read at each point: by the share of the epochs, which is exact where all of them are as long. Before the run has told how far
 * it is, by the most that its spec lets a step read.
 */
export const tokensAt = (
  { epoch, step }: Pick<MetricPoints, 'epoch' | 'step'>,
  { progress, spec }: Pick<JobResource, 'progress' | 'spec'>,
): Float64Array => {
  const { tokens } = progress;
  if (tokens > 0 && progress.epoch > 0) return epoch.values.map((value) => (value * tokens) / progress.epoch);
  const { batch_size, sequence_length } = spec.training;
  const each = tokens > 0 && progress.step > 0 ? tokens / progress.step : batch_size * sequence_length;
  return step.values.map((value) => value * each);
};

/** A worker appends what it has to tell at least so often. */
const mostBetweenAppendsMs = 1000;

/**
 * Seconds of training at each point: those since the run began without the gaps between its attempts. Points that were appended together have the same time, which is when the last of them was made: the
 * others are spread over the time since the append before.
 */
export const secondsAt = (
  { time: { values } }: Pick<MetricPoints, 'time'>,
  begun: number,
  gaps: readonly Gap[],
): Float64Array => {
  const seconds = new Float64Array(values.length);
  let before = begun;
  for (let first = 0; first < values.length; ) {
    const time = values[first]! - idleBefore(gaps, values[first]!);
    let next = first + 1;
    while (next < values.length && values[next] === values[first]) next += 1;
    const since = Math.min(mostBetweenAppendsMs, Math.max(0, time - before));
    for (let place = first; place < next; place++)
      seconds[place] = (time - begun - (since * (next - 1 - place)) / (next - first)) / 1000;
    before = time;
    first = next;
  }
  return seconds;
};
