import { z } from 'zod';
import { specLimits } from './limits.ts';
import { fraction, learningRate, steps } from './numbers.ts';

const decay = 'Added to the gradient as weight_decay · weight, as in PyTorch; biases and gains are skipped.';
const weightDecay = { weight_decay: fraction.default(0).meta({ description: decay }) };
const epsilon = (value: number) => ({ epsilon: z.number().gt(0).max(1).default(value) });
const moments = { beta1: fraction.lt(1).default(0.9), beta2: fraction.lt(1).default(0.999) };

const adam = z.strictObject({
  type: z.literal('adam').optional().default('adam'),
  learning_rate: learningRate.default(0.002),
  ...moments,
  ...epsilon(1e-8),
  ...weightDecay,
});

const adamw = z.strictObject({
  type: z.literal('adamw'),
  learning_rate: learningRate.default(0.002),
  ...moments,
  ...epsilon(1e-8),
  weight_decay: fraction.default(0.01).meta({
    description: 'Decoupled from the gradient (Loshchilov and Hutter 2019); biases and gains are skipped.',
  }),
});

const rmsprop = z.strictObject({
  type: z.literal('rmsprop'),
  learning_rate: learningRate.default(0.002),
  alpha: fraction.lt(1).default(0.99).meta({ description: 'How slowly the average of squares forgets.' }),
  ...epsilon(1e-8),
  ...weightDecay,
});

const adagrad = z.strictObject({
  type: z.literal('adagrad'),
  learning_rate: learningRate.default(0.1),
  ...epsilon(1e-10),
  ...weightDecay,
});

const sgd = z
  .strictObject({
    type: z.literal('sgd'),
    // Typed as always present, since the overwrite below fills it in.
    learning_rate: learningRate.optional().meta({
      description: 'Default: 1, or 0.1 with momentum.',
    }) as unknown as z.ZodDefault<z.ZodNumber>,
    momentum: fraction.lt(1).default(0),
    nesterov: z.boolean().default(false),
    ...weightDecay,
  })
  .overwrite((value) => ({ ...value, learning_rate: value.learning_rate ?? (value.momentum > 0 ? 0.1 : 1) }));

export const optimizerOptions = z
  .discriminatedUnion('type', [adam, adamw, rmsprop, adagrad, sgd])
  .meta({ id: 'OptimizerOptions', description: "As torch.optim's of the same name." });

const warmup = {
  warmup_steps: z
    .int()
    .min(0)
    .max(specLimits.max_steps)
    .default(0)
    .meta({ description: 'The rate rises from 0 to its full height over so many steps.' }),
};

export const scheduleOptions = z
  .discriminatedUnion('type', [
    z.strictObject({ type: z.literal('constant').optional().default('constant'), ...warmup }),
    z
      .strictObject({
        type: z.literal('step'),
        every: steps,
        factor: z.number().gt(0).max(1).default(0.5),
        ...warmup,
      })
      .meta({ description: 'The rate is multiplied by `factor` every `every` steps.' }),
    z.strictObject({ type: z.literal('exponential'), factor: z.number().gt(0).max(1), ...warmup }).meta({
      description: 'The rate is multiplied by `factor` every step.',
    }),
    z.strictObject({ type: z.literal('cosine'), minimum: z.number().min(0).default(0), ...warmup }).meta({
      description: 'From the learning rate to `minimum` over the whole run.',
    }),
    z
      .strictObject({
        type: z.literal('plateau'),
        factor: z.number().gt(0).lt(1).default(0.5),
        patience: z.int().min(0).max(10_000).default(2),
        minimum: z.number().min(0).default(0),
        ...warmup,
      })
      .meta({
        description:
          'The rate is multiplied by `factor` after more than `patience` evaluations without a better validation loss.',
      }),
  ])
  .meta({ id: 'ScheduleOptions', description: 'How the learning rate changes from step to step.' });

export type OptimizerOptions = z.output<typeof optimizerOptions>;
export type ScheduleOptions = z.output<typeof scheduleOptions>;
