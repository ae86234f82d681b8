import { z } from 'zod';
import { jobError } from './errors.ts';
import { checkpointId, jobId } from './ids.ts';

export const jobStatuses = ['queued', 'running', 'paused', 'succeeded', 'failed', 'cancelled'] as const;
export const jobStatus = z.enum(jobStatuses).meta({ id: 'JobStatus' });
export type JobStatus = z.infer<typeof jobStatus>;

export const finalStatuses = ['succeeded', 'failed', 'cancelled'] as const satisfies JobStatus[];
export const isFinal = (status: JobStatus): boolean =>
  (finalStatuses as readonly JobStatus[]).includes(status);

const bodies = [
  z.object({ type: z.literal('status'), status: jobStatus, attempt: z.int(), error: jobError.optional() }),
  z.object({
    type: z.literal('restart'),
    attempt: z.int(),
    from_step: z.int().meta({ description: 'Drop every point after this step: they come again.' }),
    reason: z.enum(['resumed', 'rolled_back']),
  }),
  z.object({
    type: z.literal('metric'),
    step: z.int(),
    attempt: z.int(),
    values: z.record(z.string(), z.number().nullable()).meta({
      description:
        'Of the training data: loss (nats per token, or the mean loss of numbers), length_loss (of the head that ends sequences), ' +
        'perplexity, bits_per_character, accuracy, gradient_norm (before clipping), learning_rate, tokens_per_second, epoch, eta_seconds. ' +
        'At evaluations validation_loss, validation_length_loss, validation_accuracy, free_running_loss (fed with its own output), ' +
        'free_running_gap and free_running_accuracy; of a forecast also naive_validation_loss and naive_free_running_loss, those of a forecast that nothing changes. Which of them a run has depends on its task; null is a value that was not finite.',
    }),
  }),
  z.object({ type: z.literal('sample'), step: z.int(), text: z.string() }),
  z.object({ type: z.literal('checkpoint'), step: z.int(), checkpoint_id: checkpointId }),
  z.object({ type: z.literal('diagnostic'), step: z.int(), name: z.string(), data: z.unknown() }),
  z.object({ type: z.literal('log'), level: z.enum(['info', 'warning', 'error']), message: z.string() }),
] as const;

/** What a writer appends; the store adds `seq`, `at` and `job_id`. */
export const frameBody = z.discriminatedUnion('type', bodies);
export type FrameBody = z.infer<typeof frameBody>;
export const frameTypes = [
  'status',
  'restart',
  'metric',
  'sample',
  'checkpoint',
  'diagnostic',
  'log',
] as const;
export type FrameType = (typeof frameTypes)[number];

const envelope = {
  seq: z.int().min(1).meta({ description: 'Dense from 1 within a job, never rewritten.' }),
  at: z.iso.datetime(),
  job_id: jobId,
};

/** One entry of a job's event log, as the route, the server-sent events and the sockets all send it. */
export const frame = z
  .discriminatedUnion('type', [
    bodies[0].extend(envelope),
    bodies[1].extend(envelope),
    bodies[2].extend(envelope),
    bodies[3].extend(envelope),
    bodies[4].extend(envelope),
    bodies[5].extend(envelope),
    bodies[6].extend(envelope),
  ])
  .meta({ id: 'Frame', description: "One entry of a job's event log." });
export type Frame = z.infer<typeof frame>;

/** Whether a frame is the last that its job will have, unless the job is resumed. */
export const endsJob = (frame: FrameBody): boolean => frame.type === 'status' && isFinal(frame.status);
