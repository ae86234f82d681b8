import { z } from 'zod';
import { jobError } from './errors.ts';
import { jobStatus } from './frames.ts';
import { checkpointId, fileId, jobId, keyId, modelId, modelName } from './ids.ts';
import { jobSpec } from './job-spec.ts';
import { metadata } from './text.ts';

const unixSeconds = z.int().meta({ description: 'Unix time in seconds.' });
const isoTime = z.iso.datetime();

/** A page of a list, as OpenAI's API shapes it. */
export const listOf = <T extends z.ZodType>(item: T, id: string) =>
  z.object({ object: z.literal('list'), data: z.array(item), has_more: z.boolean() }).meta({ id });
export interface Page<T> {
  object: 'list';
  data: T[];
  has_more: boolean;
}

/** Which end of a list comes first. */
export const pageOrders = ['asc', 'desc'] as const;
export type PageOrder = (typeof pageOrders)[number];

/** What asks for a page. @param limits how many items a page may have, and has when nothing is said */
const pageOf = (limits: { max: number; default: number }) =>
  z.strictObject({
    limit: z.coerce.number().int().min(1).max(limits.max).default(limits.default),
    after: z
      .string()
      .max(100)
      .optional()
      .meta({ description: 'The id of the last item of the page before.' }),
    order: z.enum(pageOrders).default('desc').meta({ description: 'Oldest or newest first.' }),
  });
export const pageQuery = pageOf({ max: 100, default: 20 });
export type PageQuery = Omit<z.output<typeof pageQuery>, 'order'> & { order?: PageOrder | undefined };

/** What a file is for: ours, and OpenAI's, which its clients send. A label: any file may be used for anything. */
export const filePurposes = [
  'fine-tune',
  'training',
  'validation',
  'model',
  'user_data',
  'assistants',
  'batch',
  'evals',
  'vision',
] as const;
export const filePurpose = z.enum(filePurposes);

/** When an upload is to be deleted, as OpenAI's clients say it. */
export const fileExpiry = z.strictObject({
  anchor: z.literal('created_at'),
  // A form's field is text, of which Number() would also take "1e4", "0x1000" and spaces.
  seconds: z
    .string()
    .regex(/^\d+$/, 'expected a number of seconds in digits')
    .transform(Number)
    .pipe(z.int().min(3600).max(2_592_000)),
});

/** `GET /v1/files`; pages are as large as OpenAI's. */
export const fileListQuery = pageOf({ max: 10_000, default: 10_000 }).extend({
  purpose: z
    .enum([...filePurposes, 'assistants_output', 'batch_output', 'fine-tune-results'])
    .optional()
    .meta({ description: 'Only files of this purpose.' }),
});

/** `GET /v1/models`. OpenAI's has no pages, so that its clients read the first one only: it is a large one. */
export const modelListQuery = pageOf({ max: 1000, default: 1000 });

/** What the upload recorded on the way, so that a job can be checked without reading the file again. */
export const fileResource = z
  .object({
    id: fileId,
    object: z.literal('file'),
    bytes: z.int(),
    created_at: unixSeconds,
    expires_at: unixSeconds.nullable().meta({ description: 'When it is deleted; null: never by itself.' }),
    filename: z.string(),
    purpose: filePurpose,
    status: z.literal('processed'),
    sha256: z.string(),
    characters: z
      .int()
      .nullable()
      .meta({ description: 'Unicode code points; null if the bytes are not UTF-8.' }),
    lines: z.int(),
    invalid_utf8_offset: z
      .int()
      .nullable()
      .meta({ description: 'Byte offset of the first invalid UTF-8 sequence.' }),
  })
  .meta({ id: 'File' });
export type FileResource = z.infer<typeof fileResource>;
export const fileList = listOf(fileResource, 'FileList');

/** The beginning of a file as text. */
export const filePreview = z
  .object({
    id: fileId,
    object: z.literal('file.preview'),
    text: z.string().meta({ description: 'What is not UTF-8, and U+0000, becomes U+FFFD.' }),
    truncated: z.boolean().meta({ description: 'Whether the file goes on.' }),
  })
  .meta({ id: 'FilePreview' });
export type FilePreview = z.infer<typeof filePreview>;

export const jobProgress = z
  .object({
    step: z.int(),
    total_steps: z.int().nullable(),
    epoch: z.number(),
    tokens: z.int(),
    seconds: z.number().nullable().meta({
      description:
        'How long it has trained, in all attempts together: what lay between them does not count. null: a run of an earlier version, which did not tell.',
    }),
    share: z.number().min(0).max(1).nullable().meta({
      description:
        'Of the run, how much is done: of its steps, or of `max_seconds` where those are over first. null: not known yet.',
    }),
    eta_seconds: z.number().nullable(),
  })
  .meta({ id: 'JobProgress' });
export type JobProgress = z.infer<typeof jobProgress>;

export const jobRequest = z.enum(['pause', 'cancel']);
export type JobRequest = z.infer<typeof jobRequest>;

/** Why no running worker can serve a job. */
const blocked = z.object({
  code: z.literal('no_worker'),
  message: z.string(),
  param: z.string().nullable(),
});
export type Blocked = z.infer<typeof blocked>;

export const jobResource = z
  .object({
    id: jobId,
    object: z.literal('training.job'),
    name: modelName.nullable(),
    status: jobStatus,
    requested: jobRequest.nullable().meta({ description: 'Asked for and not yet carried out.' }),
    attempt: z.int(),
    spec: jobSpec,
    warnings: z
      .array(z.string())
      .meta({ description: 'What the spec allows but probably does not mean, in sentences.' }),
    model_id: modelId.nullable(),
    error: jobError.nullable(),
    progress: jobProgress,
    queue_position: z.int().nullable().meta({ description: '1 is next; null unless queued.' }),
    blocked: blocked
      .nullable()
      .meta({ description: 'Why a queued job cannot begin, whatever is before it in the queue.' }),
    engine: z.string().nullable(),
    device: z.string().nullable(),
    created_at: isoTime,
    started_at: isoTime.nullable(),
    ended_at: isoTime.nullable(),
    metadata,
  })
  .meta({ id: 'Job' });
export type JobResource = z.infer<typeof jobResource>;
export const jobList = listOf(jobResource, 'JobList');

/** Jobs that one request may post. */
export const mostJobsAtOnce = 1000;

/** What `POST /v1/jobs/batch` takes. */
export const jobBatchRequest = z
  .strictObject({ jobs: z.array(jobSpec).min(1).max(mostJobsAtOnce) })
  .meta({ id: 'JobBatchRequest' });
export type JobBatchRequest = z.output<typeof jobBatchRequest>;

/** What it made, in the order of the request. */
export const jobBatch = z
  .object({ object: z.literal('list'), data: z.array(jobResource) })
  .meta({ id: 'JobBatch' });
export type JobBatch = z.infer<typeof jobBatch>;

/** What `POST /v1/jobs/:id/resume` may change. */
export const resumeRequest = z
  .strictObject({
    epochs: z.int().min(1).max(100_000).optional(),
    max_steps: z.int().min(1).max(1_000_000_000).nullable().optional(),
  })
  .meta({ id: 'ResumeRequest' });
export type ResumeRequest = z.infer<typeof resumeRequest>;

export const checkpointResource = z
  .object({
    id: checkpointId,
    object: z.literal('training.checkpoint'),
    job_id: jobId,
    attempt: z.int(),
    step: z.int(),
    validation_loss: z.number().nullable(),
    best: z.boolean().meta({ description: 'The lowest validation loss so far.' }),
    bytes: z.int(),
    sha256: z.string(),
    created_at: isoTime,
  })
  .meta({ id: 'Checkpoint' });
export type CheckpointResource = z.infer<typeof checkpointResource>;
export const checkpointList = listOf(checkpointResource, 'CheckpointList');

export const modelResource = z
  .object({
    id: z.union([modelId, checkpointId]).meta({ description: 'A checkpoint seen as a model keeps its id.' }),
    object: z.literal('model'),
    created: unixSeconds,
    owned_by: z.string(),
    name: modelName.nullable(),
    job_id: jobId.nullable(),
    spec: jobSpec.nullable(),
    parameters: z.int(),
    vocabulary_size: z.int(),
    bytes: z.int(),
    sha256: z.string(),
    step: z.int().nullable(),
    validation_loss: z.number().nullable(),
  })
  .meta({ id: 'Model' });
export type ModelResource = z.infer<typeof modelResource>;
export const modelList = listOf(modelResource, 'ModelList');

/** `POST /v1/models`: an uploaded safetensors file becomes a model. */
export const modelImportRequest = z
  .strictObject({
    file: fileId,
    name: modelName.nullable().default(null).meta({ description: 'The name that the model answers to.' }),
  })
  .meta({ id: 'ModelImportRequest' });
export type ModelImportRequest = z.output<typeof modelImportRequest>;
export type ModelImportRequestInput = z.input<typeof modelImportRequest>;

/** Curves, each step once, with everything that a restart withdrew left out. */
export const metricsResource = z
  .object({
    job_id: jobId,
    steps: z.array(z.int()),
    series: z.record(z.string(), z.array(z.number().nullable())),
    times: z
      .array(z.int())
      .optional()
      .meta({ description: 'When each point was told, in Unix milliseconds; only when `times` asks.' }),
    downsampled: z.boolean(),
    seq: z.int().meta({
      description:
        'The curves hold every frame up to this one: follow a socket after it, and there is no gap.',
    }),
  })
  .meta({ id: 'Metrics' });
export type MetricsResource = z.infer<typeof metricsResource>;

export const deletedResource = z
  .object({ id: z.string(), object: z.string(), deleted: z.literal(true) })
  .meta({ id: 'Deleted' });
export type DeletedResource = z.infer<typeof deletedResource>;

export const keyScopes = ['read', 'train', 'infer', 'admin'] as const;
export const keyScope = z.enum(keyScopes);
export type KeyScope = z.infer<typeof keyScope>;

const keyLimit = (maximum: number, description: string) =>
  z.int().min(0).max(maximum).nullable().default(null).meta({ description });

/** What the holder of a key may use. Null: what the configuration says, which may be no limit. */
export const keyLimits = z
  .strictObject({
    requests_per_minute: keyLimit(100_000_000, 'Requests a minute.'),
    tokens_per_minute: keyLimit(1_000_000_000_000, 'Tokens read and written by inference, a minute.'),
    concurrent_jobs: keyLimit(10_000_000, 'Jobs that are queued or running at once.'),
    stored_bytes: keyLimit(
      Number.MAX_SAFE_INTEGER,
      'Bytes of files, models, checkpoints and sessions at once. A job that runs may pass it; the next upload or job may not.',
    ),
  })
  .meta({ id: 'KeyLimits' });
export type KeyLimits = z.output<typeof keyLimits>;

export const keyResource = z
  .object({
    id: keyId,
    object: z.literal('api_key'),
    name: z.string(),
    project: z.string(),
    scopes: z.array(keyScope),
    limits: keyLimits,
    created_at: isoTime,
    last_used_at: isoTime.nullable(),
    key: z.string().optional().meta({ description: 'The secret, only in the answer that created it.' }),
  })
  .meta({ id: 'ApiKey' });
export type KeyResource = z.infer<typeof keyResource>;
export const keyList = listOf(keyResource, 'ApiKeyList');

export const projectName = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9._-]{0,62}$/,
    'expected 1 to 63 characters of a-z, 0-9, ".", "_" or "-", beginning with a letter or digit',
  );
export const keyRequest = z
  .strictObject({
    name: z.string().min(1).max(100),
    project: projectName.default('default'),
    scopes: z.array(keyScope).min(1).default(['read', 'train', 'infer']),
    limits: keyLimits.prefault({}),
  })
  .meta({ id: 'ApiKeyRequest' });
export type KeyRequestInput = z.input<typeof keyRequest>;

/** What a job would need, before it is submitted. */
export const estimateResource = z
  .object({
    object: z.literal('training.estimate'),
    parameters: z.int(),
    memory_bytes: z
      .int()
      .meta({ description: 'Parameters, gradients, optimizer state and stored activations.' }),
    checkpoint_bytes: z.int(),
    steps_per_epoch: z.int(),
    total_steps: z.int(),
    tokens: z
      .int()
      .meta({ description: 'Tokens or time steps that will be trained on, of all epochs together.' }),
    vocabulary_size: z
      .int()
      .meta({ description: 'Rows of what the network chooses from, or numbers of an output.' }),
    exact: z.boolean().meta({
      description:
        'Whether `parameters` and `vocabulary_size` are what a job will have: of bytes, numbers, and any file of at most half a megabyte, ' +
        'whose vocabulary is counted. false: they are upper bounds.',
    }),
    seconds: z.number().nullable().meta({
      description:
        'How long a worker is going to train, by `measured_on`; null: nothing like it has been trained here for 10 seconds or more.',
    }),
    blocked: blocked
      .nullable()
      .meta({ description: 'Why a job could not begin at the moment: no running worker can serve it.' }),
    measured_on: z
      .object({
        job_id: jobId,
        engine: z.string().nullable(),
        device: z.string().nullable(),
        tokens_per_second: z.number(),
      })
      .nullable()
      .meta({
        description:
          'The job that `seconds` is told from: of the newest 100 of yours that have succeeded, the one with the same task, the same cell, and the ' +
          'same `engine` if the spec names one, whose number of parameters and batch size are closest, each within a factor of 8; the longest of ' +
          'equally close ones. One that was interrupted, or took less than 10 seconds, is no measure. Its speed is that of the whole run, from ' +
          '`started_at` to `ended_at`, and taken to be in inverse proportion to its parameters.',
      }),
  })
  .meta({ id: 'Estimate' });
export type EstimateResource = z.infer<typeof estimateResource>;
