import { z } from 'zod';
import { contradiction } from './contradictions/contradiction.ts';

const schedule = z.enum(['linear', 'exponential', 'inverse_sigmoid']);
type Schedule = z.output<typeof schedule>;

/** k beyond which e^{i/k} means the same at every step that a run can have. */
const largestK = 1e9;
const defaultK = { linear: null, exponential: 0.9999, inverse_sigmoid: 1000 } as const;

interface Given {
  schedule: Schedule;
  c: number | null;
  k: number | null;
  floor: number;
}

/** Which of c, k and floor a schedule has, and in what range k lies. */
const problemOf = ({ schedule, c, k, floor }: Given): [field: 'c' | 'k' | 'floor', text: string] | null => {
  const named = `training.teacher_forcing.schedule "${schedule}"`;
  if (schedule === 'linear')
    return k === null
      ? null
      : ['k', `training.teacher_forcing.k has no meaning for ${named}, which has c and floor.`];
  if (c !== null) return ['c', `training.teacher_forcing.c has no meaning for ${named}, which has k.`];
  if (floor > 0) return ['floor', `training.teacher_forcing.floor has no meaning for ${named}, which has k.`];
  if (k === null) return null;
  if (schedule === 'exponential' && k >= 1)
    return ['k', `training.teacher_forcing.k: ${named} needs a value below 1, but received ${k}.`];
  if (schedule === 'inverse_sigmoid' && k < 1)
    return ['k', `training.teacher_forcing.k: ${named} needs a value of at least 1, but received ${k}.`];
  return null;
};

const scheduled = z
  .strictObject({
    mode: z.literal('scheduled'),
    schedule: schedule.default('linear').meta({
      description:
        'The probability ε of the target at step i. linear: max(floor, 1 − c·i); exponential: k^i; inverse_sigmoid: k / (k + e^(i/k)).',
    }),
    c: z.number().gt(0).max(1).nullable().default(null).meta({ description: 'Of linear. Default: 0.0001.' }),
    k: z.number().gt(0).max(largestK).nullable().default(null).meta({
      description: 'Of exponential, below 1 (default 0.9999), and of inverse_sigmoid, from 1 (default 1000).',
    }),
    floor: z.number().min(0).max(1).default(0).meta({ description: 'Of linear: ε never falls below it.' }),
  })
  .superRefine((value, context) => {
    const problem = problemOf(value);
    if (problem !== null) context.addIssue(contradiction([problem[0]], problem[1]));
  })
  .overwrite((value) => ({
    ...value,
    c: value.schedule === 'linear' ? (value.c ?? 0.0001) : value.c,
    k: value.k ?? defaultK[value.schedule],
  }))
  .meta({
    description:
      'A coin per time step: the target with probability ε, else what the network answered: a sample of its tokens, or its numbers, gradients and all.',
  });

export const teacherForcingOptions = z
  .discriminatedUnion('mode', [
    z
      .strictObject({ mode: z.literal('always').optional().default('always') })
      .meta({ description: 'The network is always fed the target of the step before.' }),
    scheduled,
    z.strictObject({ mode: z.literal('never') }).meta({
      description:
        'The network is always fed its own output, gradients and all: of a text the one-hot vectors or the embeddings of its symbols, ' +
        'mixed by their probabilities, after the first symbol of a window or a sequence.',
    }),
  ])
  .meta({
    id: 'TeacherForcingOptions',
    description: 'What stands for the output of the step before, in training.',
  });

export type TeacherForcingOptions = z.output<typeof teacherForcingOptions>;
