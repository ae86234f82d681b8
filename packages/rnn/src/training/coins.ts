import type { JobSpec } from '@unfold/contracts';
import { createRandomStream, randomPurposes } from '@unfold/kernels';
import type { HostBatch } from '../data/feed.ts';
import type { PassRandom } from '../model/layer-stack.ts';

type TeacherForcingOptions = JobSpec['training']['teacher_forcing'];

/** ε, the probability that the target is fed, at a step counted from 0 (Bengio et al. 2015, section 2.4). */
export const forcedShare = (options: TeacherForcingOptions, step: number): number => {
  if (options.mode !== 'scheduled') return options.mode === 'always' ? 1 : 0;
  switch (options.schedule) {
    case 'linear':
      return Math.max(options.floor, 1 - options.c! * step);
    case 'exponential':
      return options.k! ** step;
    case 'inverse_sigmoid':
      return options.k! / (options.k! + Math.exp(step / options.k!));
  }
};

/** By step, the rows for which a coin says that they are fed what the network answered, each with a uniform number to draw a sample with. */
export const tossCoins = (
  { steps, lengths, sequences }: Pick<HostBatch, 'steps' | 'lengths' | 'sequences'>,
  rows: number,
  { seed, step }: Pick<PassRandom, 'seed' | 'step'>,
  share: number,
): { n: number; uniform: number }[][] =>
  Array.from({ length: steps }, (_, t) => {
    // Nothing was answered before the first step.
    if (t === 0) return [];
    return Array.from({ length: rows }, (__, n) => {
      if (lengths && t >= lengths[n]!) return [];
      const sequence = sequences?.[n] ?? n;
      const stream = createRandomStream({ seed, purpose: randomPurposes.teacherForcing, step, sequence, t });
      return stream.uniform() < share ? [] : [{ n, uniform: stream.uniform() }];
    }).flat();
  });
