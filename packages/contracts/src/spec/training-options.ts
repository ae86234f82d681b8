import { z } from 'zod';
import { contradiction } from './contradictions/contradiction.ts';
import { precisionNames } from './demand.ts';
import { specLimits } from './limits.ts';
import { steps } from './numbers.ts';
import { optimizerOptions, scheduleOptions } from './optimizer-options.ts';
import { teacherForcingOptions } from './teacher-forcing.ts';

const threshold = z.number().gt(0).max(1e6);
type Clip = { norm: number } | { value: number };

// No union, whose errors would speak of an unknown field where both are given.
const clip = (
  z
    .strictObject({ norm: threshold.optional(), value: threshold.optional() })
    .superRefine(({ norm, value }, context) => {
      if (norm !== undefined && value !== undefined)
        context.addIssue(contradiction([], 'training.clip takes either norm or value, but received both.'));
      if (norm === undefined && value === undefined)
        context.addIssue({ code: 'custom', message: 'expected either norm or value' });
    })
    .meta({ minProperties: 1, maxProperties: 1 }) as unknown as z.ZodType<Clip, Clip>
)
  .nullable()
  .meta({ id: 'ClipOptions', description: 'Gradient clipping by global norm or by value, or null.' });

const bptt = z.strictObject({
  window: z.int().min(1).max(specLimits.sequence_length).nullable().default(null).meta({
    description:
      'Cut gradients every so many time steps; the state flows on. null: exact within sequence_length.',
  }),
  stateful: z.boolean().default(true).meta({
    description:
      'Carry the hidden state from one window of an endless text or series to the next. Records always start afresh.',
  }),
});

const earlyStopping = z.strictObject({
  patience: z.int().min(1).max(10_000).default(3).meta({ description: 'Evaluations without improvement.' }),
  min_delta: z
    .number()
    .min(0)
    .max(100)
    .default(0)
    .meta({ description: 'A smaller fall of the validation loss is no improvement.' }),
});

const duration = {
  epochs: z
    .int()
    .min(1)
    .max(specLimits.epochs)
    .default(10)
    .meta({ description: 'How often the training part is read.' }),
  max_steps: steps
    .nullable()
    .default(null)
    .meta({ description: 'End after so many steps even within an epoch.' }),
  max_seconds: z.number().gt(0).max(31_536_000).nullable().default(null).meta({
    description: 'End after so many seconds of training time, summed over attempts.',
  }),
};

const batches = {
  batch_size: z
    .int()
    .min(1)
    .max(specLimits.batch_size)
    .default(64)
    .meta({ description: 'Sequences trained side by side; lanes of an endless text or series.' }),
  sequence_length: z.int().min(1).max(specLimits.sequence_length).default(64).meta({
    description: 'Time steps of a window of an endless text or series. Records are trained whole.',
  }),
  bucketing: z.boolean().default(true).meta({
    description: 'Records of similar length share a batch, in a new order each epoch; false: any records do.',
  }),
  precision: z.enum(precisionNames).default('fp32').meta({
    description:
      'bf16: products round both operands to bfloat16; weights, sums and everything else stay in fp32. Faster on processors with AVX512_BF16; on others it runs with the same arithmetic, slower than fp32, and the log says so. f16: products round both operands to IEEE half precision, on the engine webgpu alone; gradients are scaled by powers of two first, and weights, sums, states and everything else stay in fp32.',
  }),
};

const optimisation = {
  loss: z
    .enum(['squared_error', 'bernoulli'])
    .default('squared_error')
    .meta({
      description:
        'Of targets that are numbers. bernoulli: a sum of binary cross-entropies, for vectors of zeros and ones. Tokens and labels ' +
        'always have the cross-entropy of a softmax.',
    }),
  bptt: bptt.prefault({}),
  optimizer: optimizerOptions.prefault({}),
  schedule: scheduleOptions.prefault({}),
  clip: clip.default({ norm: 5 }),
  teacher_forcing: teacherForcingOptions.prefault({}),
};

const watching = {
  validation_fraction: z.number().min(0).max(0.9).default(0.1).meta({
    description:
      'What is held out: the tail of an endless text or series, a seeded split of records. Ignored when validation_file is given.',
  }),
  evaluate_every: steps.nullable().default(null).meta({ description: 'null: at the end of each epoch.' }),
  sample_every: steps
    .nullable()
    .default(null)
    .meta({ description: 'Text is sampled every so many steps. null: at each evaluation.' }),
  diagnostics_every: steps.nullable().default(null).meta({
    description:
      'Measure gradients through time, spectral radii and saturation every so many steps. null: never.',
  }),
  early_stopping: earlyStopping.nullable().default(null).meta({
    description: 'End when the validation loss no longer improves, and publish the best checkpoint.',
  }),
  log_every: steps.default(10).meta({ description: 'A point of the curve every so many steps.' }),
  checkpoint_every: steps.nullable().default(null).meta({
    description: 'null: about every 30 seconds and at every evaluation.',
  }),
};

export const trainingOptions = z
  .strictObject({ ...duration, ...batches, ...optimisation, ...watching })
  .meta({ id: 'TrainingOptions', description: 'How the network is trained.' });

export type TrainingOptions = z.output<typeof trainingOptions>;
