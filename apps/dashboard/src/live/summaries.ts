import type { Frame, JobResource } from '@unfold/contracts';
import { currentAccess, onAccessChange } from '../api.ts';
import { createExternal, type External } from '../external.ts';
import { followJob } from './watch.ts';

/** What a row tells of a run's curve. */
export interface Summary {
  step: number;
  epoch: number | null;
  etaSeconds: number | null;
  tokensPerSecond: number | null;
  loss: number | null;
  validationLoss: number | null;
  /** Losses over the run so far, evenly spread. */
  spark: readonly number[];
}

const sparkPoints = 60;
const nothing: Summary = {
  step: 0,
  epoch: null,
  etaSeconds: null,
  tokensPerSecond: null,
  loss: null,
  validationLoss: null,
  spark: [],
};

interface Entry {
  value: External<Summary>;
  /** The state of the run that it was read at: read anew when that changes. */
  of: string;
}

const entries = new Map<string, Entry>();
onAccessChange(() => entries.clear());

/** A row's numbers, for as long as this page is open. */
export const summaryOf = (job: string): External<Summary> => {
  const known = entries.get(job) ?? { value: createExternal(nothing), of: '' };
  entries.set(job, known);
  return known.value;
};

/** At most so many points, every second one dropped when there are too many. */
const thin = (points: readonly number[]): readonly number[] =>
  points.length <= 2 * sparkPoints ? points : points.filter((_, place) => place % 2 === 1);

const withFrame = (summary: Summary, frame: Frame): Summary => {
  if (frame.type === 'restart') return { ...summary, step: Math.min(summary.step, frame.from_step) };
  if (frame.type !== 'metric') return summary;
  const { loss, validation_loss, epoch, eta_seconds, tokens_per_second } = frame.values;
  return {
    step: frame.step,
    epoch: epoch ?? summary.epoch,
    etaSeconds: eta_seconds === undefined ? summary.etaSeconds : eta_seconds,
    tokensPerSecond: tokens_per_second ?? summary.tokensPerSecond,
    loss: loss ?? summary.loss,
    validationLoss: validation_loss ?? summary.validationLoss,
    spark: loss == null ? summary.spark : thin([...summary.spark, loss]),
  };
};

// A few at a time: rows are many, and the one that was clicked should not wait behind them.
const most = 4;
let running = 0;
const queue: (() => Promise<void>)[] = [];
const next = (): void => {
  while (running < most) {
    const task = queue.shift();
    if (task === undefined) return;
    running += 1;
    void task().finally(() => {
      running -= 1;
      next();
    });
  }
};

const names = ['loss', 'validation_loss', 'epoch', 'eta_seconds', 'tokens_per_second'];
const lastOf = (series: readonly (number | null)[] | undefined): number | null =>
  series?.findLast((value) => value !== null) ?? null;

const read = async (job: JobResource): Promise<number> => {
  const metrics = await currentAccess().client.jobs.metrics(job.id, { names, points: sparkPoints });
  const { loss = [], validation_loss, epoch, eta_seconds, tokens_per_second } = metrics.series;
  summaryOf(job.id).set({
    step: metrics.steps.at(-1) ?? 0,
    epoch: lastOf(epoch),
    etaSeconds: lastOf(eta_seconds),
    tokensPerSecond: lastOf(tokens_per_second),
    loss: lastOf(loss),
    validationLoss: lastOf(validation_loss),
    spark: loss.filter((value): value is number => value !== null),
  });
  return metrics.seq;
};

/** Keeps the numbers of a run that is shown. @returns what ends it */
export const keepSummary = (job: JobResource): (() => void) => {
  let over = false;
  let leave = (): void => {};
  const isRunning = job.status === 'running';
  const of = `${job.status} ${job.attempt} ${job.ended_at}`;
  const begin = async (): Promise<void> => {
    if (over || (entries.get(job.id)?.of === of && !isRunning)) return;
    const seq = await read(job).catch(() => null);
    const entry = entries.get(job.id);
    if (entry) entry.of = of;
    if (over || seq === null || !isRunning) return;
    let pending: Summary | null = null;
    leave = followJob(job.id, seq, (frame) => {
      const value = summaryOf(job.id);
      // A fast run tells hundreds of points a second; a row is drawn five times in that time.
      if (pending === null)
        setTimeout(() => {
          if (pending) value.set(pending);
          pending = null;
        }, 200);
      pending = withFrame(pending ?? value.get(), frame);
    });
  };
  if (job.status !== 'queued') queue.push(begin);
  next();
  return () => {
    over = true;
    leave();
  };
};
