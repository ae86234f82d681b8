import type { FrameBody, JobResource } from '@unfold/contracts';

/** What a view shows of a running job. */
export interface Picture {
  title: string;
  /** The curves so far, in the job's unit: nats per token, or a mean loss of numbers. */
  losses: readonly number[];
  validationLosses: readonly number[];
  step: number;
  totalSteps: number | null;
  /** Of the run, how much was done when that was last told, from 0 to 1. */
  share: number | null;
  epoch: number | null;
  tokensPerSecond: number | null;
  etaSeconds: number | null;
  /** The newest text that the half-trained network wrote, and when. */
  sample: { step: number; text: string } | null;
  status: string;
  /** What is wrong at the moment, such as a connection that was lost. */
  trouble: string | null;
}

export const connectionLost = 'The connection is lost; trying again.';

export interface Curve {
  add(frame: FrameBody): void;
  /** What only the job's resource tells. */
  know(job: Pick<JobResource, 'progress' | 'blocked'>): void;
  connection(lost: boolean): void;
  picture(): Picture;
}

/** Gathers frames into a picture. Points that a restart withdraws are dropped, as every reader must. */
export const createCurve = (title: string, knownSteps: number | null): Curve => {
  let points: { step: number; values: Record<string, number | null> }[] = [];
  let totalSteps = knownSteps;
  let share: number | null = null;
  let sample: Picture['sample'] = null;
  let status = 'queued';
  let blocked: string | null = null;
  let lost = false;

  const newest = (name: string): number | null =>
    points.findLast(({ values }) => typeof values[name] === 'number')?.values[name] ?? null;
  const series = (name: string): number[] =>
    points.flatMap(({ values }) => (typeof values[name] === 'number' ? [values[name]] : []));

  return {
    add: (frame) => {
      if (frame.type === 'metric') points.push({ step: frame.step, values: frame.values });
      else if (frame.type === 'restart') points = points.filter(({ step }) => step <= frame.from_step);
      else if (frame.type === 'sample') sample = { step: frame.step, text: frame.text };
      else if (frame.type === 'status') status = frame.status;
    },
    know: ({ progress, blocked: why }) => {
      totalSteps = progress.total_steps ?? totalSteps;
      share = progress.share;
      blocked = why?.message ?? null;
    },
    connection: (isLost) => {
      lost = isLost;
    },
    picture: () => ({
      title,
      losses: series('loss'),
      validationLosses: series('validation_loss'),
      step: points.at(-1)?.step ?? 0,
      totalSteps,
      share,
      epoch: newest('epoch'),
      tokensPerSecond: newest('tokens_per_second'),
      etaSeconds: newest('eta_seconds'),
      sample,
      status,
      trouble: lost ? connectionLost : status === 'queued' ? blocked : null,
    }),
  };
};
