import { type FineTuningEvent, type Frame, fineTuningEventId } from '@unfold/contracts';
import { unixSeconds } from './job-view.ts';

type Of<T extends Frame['type']> = Extract<Frame, { type: T }>;
type Told = Pick<FineTuningEvent, 'level' | 'message' | 'type' | 'data'>;

const message = (text: string, data: unknown = {}, level: FineTuningEvent['level'] = 'info'): Told => ({
  level,
  message: text,
  type: 'message',
  data,
});

const tellStatus = ({ status, attempt, error }: Of<'status'>): Told => {
  switch (status) {
    case 'queued':
      return error
        ? message(
            `An attempt has failed and another will follow: ${error.message}`,
            { status, error },
            'warn',
          )
        : message('The job is queued.', { status });
    case 'running':
      return message(attempt > 1 ? `Training goes on, attempt ${attempt}.` : 'Training has started.', {
        status,
        attempt,
      });
    case 'paused':
      return message('The job is paused.', { status });
    case 'succeeded':
      return message('The job has successfully completed: its model is ready.', { status });
    case 'failed':
      return message(
        `The job has failed: ${error?.message ?? 'no reason is known.'}`,
        { status, error },
        'error',
      );
    case 'cancelled':
      return message('The job was cancelled.', { status });
  }
};

/** Names of our metrics in OpenAI's API. Every validation here reads the whole of the validation data. */
const namesOfMetrics: Record<string, readonly string[]> = {
  loss: ['train_loss'],
  accuracy: ['train_mean_token_accuracy'],
  validation_loss: ['valid_loss', 'full_valid_loss'],
  validation_accuracy: ['valid_mean_token_accuracy', 'full_valid_mean_token_accuracy'],
};

/** Metrics by OpenAI's names, others by ours; those that were not finite are left out. */
export const renameMetrics = (values: Record<string, number | null>): Record<string, number> =>
  Object.fromEntries(
    Object.entries(values).flatMap(([name, value]) =>
      value === null ? [] : (namesOfMetrics[name] ?? [name]).map((renamed) => [renamed, value]),
    ),
  );

const shown: Record<string, string> = { loss: 'training loss', validation_loss: 'validation loss' };

const tellMetric = ({ step, values }: Of<'metric'>): Told => {
  const named = Object.entries(shown).flatMap(([name, text]) => {
    const value = values[name];
    return value === undefined ? [] : [`${text}=${value === null ? 'not finite' : value.toFixed(4)}`];
  });
  const text = named.length > 0 ? named.join(', ') : Object.keys(values).join(', ');
  return {
    level: 'info',
    message: `Step ${step}: ${text}`,
    type: 'metrics',
    data: { step, ...renameMetrics(values) },
  };
};

const tell = (frame: Frame): Told => {
  switch (frame.type) {
    case 'status':
      return tellStatus(frame);
    case 'restart':
      return message(
        `Training goes on from step ${frame.from_step}: what came after it comes again.`,
        { from_step: frame.from_step, reason: frame.reason },
        'warn',
      );
    case 'metric':
      return tellMetric(frame);
    case 'sample':
      return message(`Sample at step ${frame.step}: ${frame.text}`, { step: frame.step, text: frame.text });
    case 'checkpoint':
      return message(`Checkpoint created at step ${frame.step}.`, {
        step: frame.step,
        checkpoint_id: frame.checkpoint_id,
      });
    case 'diagnostic':
      return message(`Diagnostic "${frame.name}" at step ${frame.step}.`, {
        step: frame.step,
        [frame.name]: frame.data,
      });
    case 'log':
      return message(frame.message, {}, frame.level === 'warning' ? 'warn' : frame.level);
  }
};

const prefixOf = (jobId: string): string => `ftevent-${jobId.slice('job-'.length)}-`;

/** A frame of the event log as an event of OpenAI's API. */
export const toFineTuningEvent = (frame: Frame): FineTuningEvent => ({
  id: `${prefixOf(frame.job_id)}${frame.seq}`,
  object: 'fine_tuning.job.event',
  created_at: unixSeconds(frame.at),
  ...tell(frame),
});

/** The sequence number in an event's id; null if it is no event of this job. */
export const seqOfEvent = (jobId: string, eventId: string): number | null => {
  const prefix = prefixOf(jobId);
  return fineTuningEventId.safeParse(eventId).success && eventId.startsWith(prefix)
    ? Number(eventId.slice(prefix.length))
    : null;
};
