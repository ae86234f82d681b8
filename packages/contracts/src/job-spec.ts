import { z } from 'zod';
import { fileId, modelName } from './ids.ts';
import { cleanText, metadata } from './text.ts';

/** Bounds of what a job may ask for; memory grows with their products, which `/v1/jobs/estimate` states. */
export const specLimits = {
  hidden_size: 4096,
  num_layers: 8,
  embedding_size: 4096,
  batch_size: 1024,
  sequence_length: 4096,
  max_vocab: 65_536,
  epochs: 100_000,
  max_steps: 1_000_000_000,
  parameters: 200_000_000,
} as const;

const steps = z.int().min(1).max(specLimits.max_steps);
const fraction = z.number().min(0).max(1);
const rate = z.number().gt(0).max(100);

const text = z
  .strictObject({
    level: z
      .enum(['char', 'word', 'byte'])
      .default('char')
      .meta({ description: 'What one token is: a Unicode code point, a word or a byte.' }),
    sequences: z.literal('whole').default('whole').meta({ description: 'The file is one endless text.' }),
    max_vocab: z.int().min(2).max(specLimits.max_vocab).nullable().default(null).meta({
      description:
        'Keep only the most frequent tokens, the rest become `<unk>`. null: every character, or the 20,000 most frequent words.',
    }),
    lowercase: z
      .boolean()
      .default(false)
      .meta({ description: 'Fold the text to lower case before it is tokenized.' }),
  })
  .meta({ id: 'TextOptions' });

const model = z
  .strictObject({
    cell: z.enum(['elman', 'lstm', 'gru']).default('lstm'),
    recurrence: z
      .literal('hidden')
      .default('hidden')
      .meta({ description: 'Which arrows go from one step to the next.' }),
    activation: z
      .enum(['tanh', 'relu'])
      .default('tanh')
      .meta({ description: 'The hidden activation of an Elman network.' }),
    hidden_size: z.int().min(1).max(specLimits.hidden_size).default(256),
    num_layers: z.int().min(1).max(specLimits.num_layers).default(2),
    embedding_size: z.int().min(1).max(specLimits.embedding_size).nullable().default(null).meta({
      description: 'Width of the token embedding. null: one-hot input.',
    }),
    dropout: z.number().min(0).lt(1).default(0).meta({ description: 'Between layers, as PyTorch does it.' }),
    norm: z.literal('none').default('none'),
    peephole: z.literal(false).default(false),
    bidirectional: z.literal(false).default(false),
    tie_weights: z
      .boolean()
      .default(false)
      .meta({ description: 'The output layer shares the embedding: needs embedding_size = hidden_size.' }),
    init: z.enum(['orthogonal', 'pytorch']).default('orthogonal'),
    context: z.null().default(null),
    length: z
      .literal('eos')
      .default('eos')
      .meta({ description: 'How a sequence ends; an endless text has no end.' }),
  })
  .meta({ id: 'ModelOptions' });

const sgd = z
  .strictObject({
    type: z.literal('sgd'),
    // Typed as always present, since the overwrite below fills it in.
    learning_rate: rate.optional().meta({
      description: 'Default: 1, or 0.1 with momentum.',
    }) as unknown as z.ZodDefault<z.ZodNumber>,
    momentum: fraction.lt(1).default(0),
    nesterov: z.boolean().default(false),
    weight_decay: fraction.default(0),
  })
  .overwrite((value) => ({ ...value, learning_rate: value.learning_rate ?? (value.momentum > 0 ? 0.1 : 1) }));

const optimizer = z
  .discriminatedUnion('type', [
    z.strictObject({
      type: z.literal('adam').optional().default('adam'),
      learning_rate: rate.default(0.002),
      beta1: fraction.lt(1).default(0.9),
      beta2: fraction.lt(1).default(0.999),
      epsilon: z.number().gt(0).max(1).default(1e-8),
      weight_decay: fraction.default(0),
    }),
    sgd,
  ])
  .meta({ id: 'OptimizerOptions' });

const warmup = { warmup_steps: z.int().min(0).max(specLimits.max_steps).default(0) };
const schedule = z
  .discriminatedUnion('type', [
    z.strictObject({ type: z.literal('constant').optional().default('constant'), ...warmup }),
    z.strictObject({
      type: z.literal('step'),
      every: steps,
      factor: z.number().gt(0).max(1).default(0.5),
      ...warmup,
    }),
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
  .meta({ id: 'ScheduleOptions' });

const contradiction = (path: (string | number)[], message: string) => ({
  code: 'custom' as const,
  path,
  message,
  params: { code: 'contradictory_options' },
});

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

const training = z
  .strictObject({
    epochs: z.int().min(1).max(specLimits.epochs).default(10),
    max_steps: steps
      .nullable()
      .default(null)
      .meta({ description: 'End after so many steps even within an epoch.' }),
    max_seconds: z.number().gt(0).max(31_536_000).nullable().default(null).meta({
      description: 'End after so many seconds of training time, summed over attempts.',
    }),
    batch_size: z.int().min(1).max(specLimits.batch_size).default(64),
    sequence_length: z.int().min(1).max(specLimits.sequence_length).default(64),
    precision: z.enum(['fp32', 'bf16']).default('fp32').meta({
      description:
        'bf16: products round both operands to bfloat16; weights, sums and everything else stay in fp32. Faster on processors with AVX512_BF16; on others it runs with the same arithmetic, slower than fp32, and the log says so.',
    }),
    bptt: z
      .strictObject({
        window: z.int().min(1).max(specLimits.sequence_length).nullable().default(null).meta({
          description:
            'Cut gradients every so many time steps; the state flows on. null: exact within sequence_length.',
        }),
        stateful: z.boolean().default(true).meta({
          description: 'Carry the hidden state from one window of the text to the next.',
        }),
      })
      .prefault({}),
    optimizer: optimizer.prefault({}),
    schedule: schedule.prefault({}),
    clip: clip.default({ norm: 5 }),
    teacher_forcing: z.strictObject({ mode: z.literal('always').default('always') }).prefault({}),
    validation_fraction: z.number().min(0).max(0.9).default(0.1).meta({
      description: 'The tail of the text that is held out. Ignored when validation_file is given.',
    }),
    evaluate_every: steps.nullable().default(null).meta({ description: 'null: at the end of each epoch.' }),
    sample_every: steps.nullable().default(null).meta({ description: 'null: at each evaluation.' }),
    diagnostics_every: z.null().default(null),
    early_stopping: z
      .strictObject({
        patience: z
          .int()
          .min(1)
          .max(10_000)
          .default(3)
          .meta({ description: 'Evaluations without improvement.' }),
        min_delta: z.number().min(0).max(100).default(0),
      })
      .nullable()
      .default(null),
    log_every: steps.default(10),
    checkpoint_every: steps.nullable().default(null).meta({
      description: 'null: about every 30 seconds and at every evaluation.',
    }),
  })
  .meta({ id: 'TrainingOptions' });

/** A training job as a client may write it: only `file` is required, everything else has a default. */
export const jobSpec = z
  .strictObject({
    name: modelName
      .nullable()
      .default(null)
      .meta({ description: 'The name that the finished model answers to.' }),
    file: fileId,
    validation_file: fileId.nullable().default(null),
    task: z.literal('language_model').default('language_model'),
    text: text.prefault({}),
    model: model.prefault({}),
    training: training.prefault({}),
    start_from: z.null().default(null),
    engine: z.enum(['auto', 'native', 'reference']).default('auto'),
    device: cleanText({ min: 1, max: 64 }).nullable().default(null),
    seed: z.int().min(0).max(4_294_967_295).default(1),
    priority: z.int().min(-100).max(100).default(0).meta({ description: 'Higher first.' }),
    metadata: metadata.default({}),
  })
  .superRefine((spec, context) => {
    const { model, training, text } = spec;
    if (model.tie_weights && model.embedding_size !== model.hidden_size)
      context.addIssue(
        contradiction(
          ['model', 'tie_weights'],
          `model.tie_weights needs model.embedding_size to equal model.hidden_size (${model.hidden_size}), but received ${model.embedding_size}.`,
        ),
      );
    if (model.dropout > 0 && model.num_layers === 1)
      context.addIssue(
        contradiction(
          ['model', 'dropout'],
          'model.dropout acts between layers, but model.num_layers is 1: expected 0.',
        ),
      );
    if (model.activation !== 'tanh' && model.cell !== 'elman')
      context.addIssue(
        contradiction(
          ['model', 'activation'],
          `model.activation "${model.activation}" needs model.cell "elman", but received "${model.cell}".`,
        ),
      );
    if (training.bptt.window !== null && training.bptt.window > training.sequence_length)
      context.addIssue(
        contradiction(
          ['training', 'bptt', 'window'],
          `training.bptt.window (${training.bptt.window}) must not be longer than training.sequence_length (${training.sequence_length}).`,
        ),
      );
    const validates = training.validation_fraction > 0 || spec.validation_file !== null;
    if (!validates && training.early_stopping !== null)
      context.addIssue(
        contradiction(
          ['training', 'early_stopping'],
          'training.early_stopping needs validation data: expected training.validation_fraction above 0 or a validation_file.',
        ),
      );
    if (!validates && training.schedule.type === 'plateau')
      context.addIssue(
        contradiction(
          ['training', 'schedule'],
          'training.schedule "plateau" needs validation data: expected training.validation_fraction above 0 or a validation_file.',
        ),
      );
    if (training.optimizer.type === 'sgd' && training.optimizer.nesterov && training.optimizer.momentum === 0)
      context.addIssue(
        contradiction(
          ['training', 'optimizer', 'nesterov'],
          'training.optimizer.nesterov needs training.optimizer.momentum above 0, but received 0.',
        ),
      );
    if (text.level === 'byte' && text.lowercase)
      context.addIssue(
        contradiction(['text', 'lowercase'], 'text.lowercase has no meaning for text.level "byte".'),
      );
    if (text.level === 'byte' && text.max_vocab !== null)
      context.addIssue(
        contradiction(['text', 'max_vocab'], 'text.max_vocab has no meaning for text.level "byte".'),
      );
  })
  .meta({ id: 'JobSpec', description: 'A training job. Only `file` is required.' });

/** A completed spec: every default filled in. */
export type JobSpec = z.output<typeof jobSpec>;
/** A spec as a client may write it. */
export type JobSpecInput = z.input<typeof jobSpec>;
export type TextOptions = JobSpec['text'];
export type ModelOptions = JobSpec['model'];
export type TrainingOptions = JobSpec['training'];
export type OptimizerOptions = TrainingOptions['optimizer'];
export type ScheduleOptions = TrainingOptions['schedule'];
