import type { Frame } from '@unfold/contracts';

type Status = Extract<Frame, { type: 'status' }>;

/** A time in which nothing was trained, in Unix milliseconds. */
export interface Gap {
  from: number;
  to: number;
}

/** The times between a run's attempts: while it was paused, waited for a worker, or had ended before it was resumed. */
export const gapsOf = (statuses: readonly Status[]): Gap[] => {
  const gaps: Gap[] = [];
  let wasRunning = false;
  let stopped: number | null = null;
  for (const { status, at } of statuses) {
    const time = Date.parse(at);
    if (status === 'running') {
      if (stopped !== null) gaps.push({ from: stopped, to: time });
      stopped = null;
      wasRunning = true;
    } else if (wasRunning) stopped ??= time;
  }
  return gaps;
};

/** How long of the time up to there nothing was trained, in milliseconds. */
export const idleBefore = (gaps: readonly Gap[], time: number): number =>
  gaps.reduce((sum, { from, to }) => sum + Math.max(0, Math.min(time, to) - from), 0);
