import { z } from 'zod';
import { checkpointId, fileId, jobId, modelId, modelName, modelReference } from './ids.ts';
import { listOf } from './resources.ts';
import { specLimits } from './spec/limits.ts';
import { metadata } from './text.ts';

/** OpenAI's fine-tuning API: its names, its shapes, over the jobs of `/v1/jobs`. */
const unixSeconds = z.int().meta({ description: 'Unix time in seconds.' });

const auto = z
  .string()
  .regex(/^auto$/, 'expected "auto"')
  .meta({ description: 'Chosen by the data.' });
const orAuto = (number: z.ZodNumber, description: string) =>
  z.union([number, auto]).default('auto').meta({ description });

const hyperparameters = z
  .strictObject({
    n_epochs: orAuto(z.int().min(1).max(specLimits.epochs), 'How often the training part is read.'),
    batch_size: orAuto(
      z.int().min(1).max(specLimits.batch_size),
      'Sequences trained side by side; lanes of an endless text or series.',
    ),
    learning_rate_multiplier: orAuto(
      z.number().gt(0).max(1000),
      'Of the learning rate that the starting model was trained with.',
    ),
  })
  .meta({ id: 'FineTuningHyperparameters' });
/** What was asked for: numbers, or `auto`. */
export type FineTuningHyperparameters = z.output<typeof hyperparameters>;

export const fineTuningRequest = z
  .strictObject({
    model: modelReference.meta({
      description: 'The model to start from: an id, a name, or the id of a checkpoint.',
    }),
    training_file: fileId.meta({ description: 'Data in the format that the starting model was trained on.' }),
    validation_file: fileId.nullable().default(null),
    suffix: modelName.nullable().default(null).meta({ description: 'The name of the new model.' }),
    seed: z.int().min(0).max(4_294_967_295).nullable().default(null).meta({ description: 'null: any.' }),
    metadata: metadata.nullable().default(null).meta({ description: 'Up to 16 labels of your own.' }),
    method: z
      .strictObject({
        type: z.literal('supervised'),
        supervised: z.strictObject({ hyperparameters: hyperparameters.optional() }).optional(),
      })
      .optional(),
    hyperparameters: hyperparameters.optional().meta({
      description: 'As in `method.supervised`, where newer clients put them.',
      deprecated: true,
    }),
    integrations: z
      .array(z.unknown())
      .max(0, 'expected null or an empty list, since there are no integrations')
      .nullable()
      .default(null),
  })
  .refine(({ method, hyperparameters }) => !(hyperparameters && method?.supervised?.hyperparameters), {
    path: ['hyperparameters'],
    message: 'expected hyperparameters here or in method.supervised, not both',
  })
  .meta({ id: 'FineTuningRequest' });
export type FineTuningRequest = z.output<typeof fineTuningRequest>;

const chosen = z.object({
  n_epochs: z.int(),
  batch_size: z.int(),
  learning_rate_multiplier: z.number().optional().meta({
    description: 'Absent where there is no starting model any more to compare with.',
  }),
});

export const fineTuningStatuses = [
  'queued',
  'running',
  'paused',
  'succeeded',
  'failed',
  'cancelled',
] as const;

export const fineTuningJob = z
  .object({
    id: jobId,
    object: z.literal('fine_tuning.job'),
    created_at: unixSeconds,
    finished_at: unixSeconds.nullable(),
    estimated_finish: unixSeconds.nullable(),
    status: z.enum(fineTuningStatuses),
    model: z.string().meta({
      description: 'The id of the starting model; of a job without one the cell of its network.',
    }),
    fine_tuned_model: modelId.nullable(),
    organization_id: z.string().meta({ description: 'The project.' }),
    training_file: fileId,
    validation_file: fileId.nullable(),
    result_files: z.array(z.string()),
    trained_tokens: z.int().nullable(),
    seed: z.int(),
    hyperparameters: chosen,
    method: z.object({
      type: z.literal('supervised'),
      supervised: z.object({ hyperparameters: chosen }),
    }),
    integrations: z.array(z.never()),
    metadata,
    error: z
      .object({ code: z.string(), message: z.string(), param: z.string().nullable() })
      .nullable()
      .meta({ description: 'Of a failed job.' }),
  })
  .meta({ id: 'FineTuningJob', description: "A training job as OpenAI's clients know it." });
export type FineTuningJob = z.output<typeof fineTuningJob>;
export const fineTuningJobList = listOf(fineTuningJob, 'FineTuningJobList');

/** `ftevent-<the job's own part>-<sequence number>`: the frame of the event log that an event shows. */
export const fineTuningEventId = z
  .string()
  .regex(/^ftevent-[0-9a-z]{20,40}-[1-9][0-9]{0,9}$/, 'expected an id that begins with "ftevent-"');

export const fineTuningEvent = z
  .object({
    id: fineTuningEventId,
    object: z.literal('fine_tuning.job.event'),
    created_at: unixSeconds,
    level: z.enum(['info', 'warn', 'error']),
    message: z.string(),
    type: z.enum(['message', 'metrics']),
    data: z.unknown(),
  })
  .meta({ id: 'FineTuningEvent' });
export type FineTuningEvent = z.output<typeof fineTuningEvent>;
export const fineTuningEventList = listOf(fineTuningEvent, 'FineTuningEventList');

export const fineTuningCheckpoint = z
  .object({
    id: checkpointId,
    object: z.literal('fine_tuning.job.checkpoint'),
    created_at: unixSeconds,
    fine_tuning_job_id: jobId,
    fine_tuned_model_checkpoint: checkpointId.meta({ description: 'Usable wherever a model is.' }),
    step_number: z.int(),
    metrics: z.object({
      step: z.int(),
      train_loss: z.number().optional(),
      train_mean_token_accuracy: z.number().optional(),
      valid_loss: z.number().optional(),
      valid_mean_token_accuracy: z.number().optional(),
      full_valid_loss: z.number().optional(),
      full_valid_mean_token_accuracy: z.number().optional(),
    }),
  })
  .meta({ id: 'FineTuningCheckpoint' });
export type FineTuningCheckpoint = z.output<typeof fineTuningCheckpoint>;
export const fineTuningCheckpointList = listOf(fineTuningCheckpoint, 'FineTuningCheckpointList');
