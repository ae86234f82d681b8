import type { JobSpec } from '@unfold/contracts';
import type { Backend } from '@unfold/kernels';
import { type Checkpoint, expectSameRun, readCheckpoint } from './checkpoint.ts';
import type { ControlAnswer, TrainingEvent, TrainingOutcome } from './events.ts';
import { expectPrecision } from './precision.ts';
import { openRunData, type RunData } from './run-data.ts';
import { TrainingLoop } from './training-loop.ts';
import { TrainingRun } from './training-run.ts';

export interface TrainOptions {
  /** The completed spec. On resuming, `epochs`, `max_steps` and how often to log, evaluate, sample and save may differ. */
  spec: JobSpec;
  /** Path of the text. */
  data: string;
  /** Path of a text to validate on instead of the tail of `data`. */
  validation?: string | null;
  /** Of the spec's precision, see `precisionOf`. */
  backend: Backend;
  /** An existing folder for the token file. */
  scratch: string;
  /** A checkpoint to go on from. */
  resume?: Uint8Array;
  /** Asked after every step, and now and then within long evaluations. */
  control?: () => ControlAnswer;
}

/**
 * Trains a language model. Events of a step come in the order metric, sample, checkpoint; a run that goes on from any checkpoint gives the
 * same events with later steps, and the same bits in its checkpoints, as if it had never been interrupted (`tokens_per_second`,
 * `eta_seconds` and `max_seconds` excepted, since they depend on the clock).
 *
 * The last event of a completed run is its `final` checkpoint. With early stopping the model to publish is the checkpoint that was `best`
 * last, which is always written; without, the final one. Stopped while the data is still being read, a run writes no checkpoint.
 * @throws UnfoldError `empty_file`, `invalid_utf8`, `text_too_short`, `data_missing`, `data_changed`, `limit_exceeded`, `storage_full`,
 * `invalid_weights`, `diverged`; TypeError for a backend of another precision than the spec's
 */
export async function* train(options: TrainOptions): AsyncGenerator<TrainingEvent, TrainingOutcome> {
  const { spec, backend, control = () => 'continue' } = options;
  const checkpoint = options.resume ? readCheckpoint(options.resume) : null;
  expectPrecision(spec, backend);
  if (checkpoint) expectSameRun(spec, checkpoint.spec);
  let stopped = false;
  const interrupted = (): boolean => (stopped ||= control() === 'stop');
  const data = await openRunData({
    spec,
    data: options.data,
    validation: options.validation ?? null,
    scratch: options.scratch,
    checkpoint,
    interrupted,
  });
  if (data === null) return { type: 'stopped', step: checkpoint?.record.state.step ?? 0 };

  const run = new TrainingRun(spec, backend, data, checkpoint);
  try {
    yield* openingRemarks(run, backend, checkpoint);
    return yield* new TrainingLoop(run, control).run(checkpoint);
  } finally {
    run.release();
  }
}

const describeData = ({ file, training, validation }: RunData, parameters: number): string => {
  const held = validation ? `${file.validationTokens} for validation` : 'none held out';
  return `${parameters} parameters, vocabulary of ${file.tokenizer.tokens.length}; ${file.trainingTokens} tokens to train on, ${held}; ${training.windows} steps per epoch.`;
};

function* openingRemarks(
  run: TrainingRun,
  backend: Backend,
  checkpoint: Checkpoint | null,
): Generator<TrainingEvent> {
  const { spec, data } = run;
  const { engine, emulated } = backend.describe();
  if (emulated)
    yield {
      type: 'log',
      level: 'warning',
      message: `This device has no instruction for products in ${spec.training.precision}: ${engine} puts them together from others, with the same rounding, and the run is slower than with precision fp32.`,
    };
  if (checkpoint === null) {
    yield { type: 'log', level: 'info', message: describeData(data, run.parameters) };
    if (data.training.lanes < spec.training.batch_size)
      yield {
        type: 'log',
        level: 'warning',
        message: `The text has only ${data.training.lanes} windows of ${spec.training.sequence_length} tokens: training with a batch of ${data.training.lanes} instead of ${spec.training.batch_size}.`,
      };
    return;
  }
  if (engine !== checkpoint.record.engine)
    yield {
      type: 'log',
      level: 'warning',
      message: `The checkpoint was written by engine ${checkpoint.record.engine}, this attempt runs on ${engine}: the run goes on, but not bit for bit as it would have.`,
    };
}
