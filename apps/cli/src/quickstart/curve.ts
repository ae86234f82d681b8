import type { FrameBody, JobProgress } from '@unfold/contracts';

/** What a view shows of a running job. */
export interface Picture {
  title: string;
  /** The curve so far: loss in nats per character. */
  losses: readonly number[];
  validationLoss: number | null;
  step: number;
  totalSteps: number | null;
  tokensPerSecond: number | null;
  etaSeconds: number | null;
  /** The newest text that the half-trained network wrote. */
  sample: string | null;
  status: string;
}

export interface Curve {
  add(frame: FrameBody): void;
  progress(progress: JobProgress): void;
  picture(): Picture;
}

/** Gathers frames into a picture. Points that a restart withdraws are dropped, as every reader must. */
export const createCurve = (title: string, knownSteps: number | null): Curve => {
  let points: { step: number; values: Record<string, number | null> }[] = [];
  let totalSteps = knownSteps;
  let sample: string | null = null;
  let status = 'queued';

  const newest = (name: string): number | null =>
    points.findLast(({ values }) => typeof values[name] === 'number')?.values[name] ?? null;

  return {
    add: (frame) => {
      if (frame.type === 'metric') points.push({ step: frame.step, values: frame.values });
      else if (frame.type === 'restart') points = points.filter(({ step }) => step <= frame.from_step);
      else if (frame.type === 'sample') sample = frame.text;
      else if (frame.type === 'status') status = frame.status;
    },
    progress: (progress) => {
      totalSteps = progress.total_steps ?? totalSteps;
    },
    picture: () => ({
      title,
      losses: points.flatMap(({ values }) => (typeof values.loss === 'number' ? [values.loss] : [])),
      validationLoss: newest('validation_loss'),
      step: points.at(-1)?.step ?? 0,
      totalSteps,
      tokensPerSecond: newest('tokens_per_second'),
      etaSeconds: newest('eta_seconds'),
      sample,
      status,
    }),
  };
};
