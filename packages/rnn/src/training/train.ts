import type { JobSpec } from '@unfold/contracts';
import { specWarnings, UnfoldError } from '@unfold/contracts/values';
import type { Backend } from '@unfold/kernels';
import { activationBytes } from '../estimate.ts';
import { type Checkpoint, expectSameRun, readCheckpoint } from './checkpoint.ts';
import type { ControlAnswer, TrainingEvent, TrainingOutcome } from './events.ts';
import { expectPrecision } from './precision.ts';
import { openRunData } from './run-data.ts';
import { TrainingLoop } from './training-loop.ts';
import { TrainingRun } from './training-run.ts';
import type { TransferSource } from './transfer.ts';

export interface TrainOptions {
  /** The completed spec. On resuming, `epochs`, `max_steps` and how often to log, evaluate, sample and save may differ. */
  spec: JobSpec;
  /** Path of the text. */
  data: string;
  /** Path of a text to validate on instead of the tail of `data`. */
  validation?: string | null;
  /** Of the spec's precision, see `precisionOf`. */
  backend: Backend;
  /** An existing folder for the token file and the rollback point. */
  scratch: string;
  /** The weights file of `start_from.model`: an export, a checkpoint, or one made by PyTorch. Not needed with `resume`. */
  start?: Uint8Array;
  /** A checkpoint to go on from. */
  resume?: Uint8Array;
  /**
   * Where a checkpoint of so many bytes is to be written, at a multiple of 8 bytes: called before each, so that it may wait until an earlier
   * one is no longer needed and give its memory again. Default: fresh memory for each.
   */
  checkpointMemory?: (bytes: number) => Uint8Array;
  /** Asked after every step, and now and then within long evaluations. */
  control?: () => ControlAnswer;
}

/** Loaded where it is needed: a file that somebody may have made is held against the schemas, which most runs do without. */
const readSource = async (bytes: Uint8Array): Promise<TransferSource> => {
  const { describeWeights } = await import('../weights/inspect.ts');
  return { bytes, described: describeWeights(bytes, { headerBytes: bytes.length }) };
};

/**
 * Trains a language model. Events of a step come in the order metric, sample, checkpoint; a run that goes on from any checkpoint gives the
 * same events with later steps, and the same bits in its checkpoints, as if it had never been interrupted (`tokens_per_second`,
 * `eta_seconds` and `max_seconds` excepted, since they depend on the clock).
 *
 * A run that diverges (a loss, parameter or moment that is no finite number) tells `restart` and goes on from its last rollback point at
 * half the learning rate, three times at most. Rollback points are the start and the checkpoints that `checkpoint_every` or an evaluation
 * asked for, never those that hang on the clock or on a request, so that interruptions change nothing.
 *
 * The last event of a completed run is its `final` checkpoint. With early stopping the model to publish is the checkpoint that was `best`
 * last, which is always written; without, the final one. Stopped while the data is still being read, a run writes no checkpoint.
 * @throws UnfoldError `empty_file`, `invalid_utf8`, `text_too_short`, `data_missing`, `data_changed`, `limit_exceeded`, `storage_full`,
 * `invalid_weights`, `impossible_with_data`, `diverged`; TypeError for a backend of another precision than the spec's
 */
export async function* train(options: TrainOptions): AsyncGenerator<TrainingEvent, TrainingOutcome> {
  const { spec, backend, control = () => 'continue' } = options;
  const checkpoint = options.resume ? readCheckpoint(options.resume) : null;
  expectPrecision(spec, backend);
  if (checkpoint) expectSameRun(spec, checkpoint.spec);
  else if ((spec.start_from === null) !== (options.start === undefined))
    throw new UnfoldError(
      'invalid_value',
      'start_from.model and its weights are given together or not at all.',
      {
        param: 'start_from.model',
      },
    );
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

  const start = {
    checkpoint,
    scratch: options.scratch,
    source: checkpoint === null && options.start ? await readSource(options.start) : null,
    checkpointMemory: options.checkpointMemory,
  };
  const run = new TrainingRun(spec, backend, data, start);
  try {
    await run.begin(start);
    yield* openingRemarks(run, backend, checkpoint);
    return yield* new TrainingLoop(run, control).run(checkpoint);
  } finally {
    run.release();
  }
}

const describeData = ({ spec, data, parameters, shape }: TrainingRun): string => {
  const { training, validation } = data;
  const held = validation ? `${data.steps.validation} for validation` : 'none held out';
  const steps = Math.min(spec.training.bptt.window ?? training.longest, training.longest);
  const bytes = activationBytes(spec, { lanes: training.sequences, steps }, shape);
  const megabytes = (bytes / 1e6).toFixed(1);
  const said = `${shape.output.kind === 'tokens' ? 'vocabulary of' : 'vectors of'} ${shape.output.size}`;
  const unit = data.text ? 'tokens' : 'time steps';
  return (
    `${parameters} parameters, ${said}; ${data.steps.training} ${unit} to train on, ${held}; ${training.batches} steps per epoch. ` +
    `Gradients through ${steps} time steps keep about ${megabytes} MB of activations.`
  );
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
    yield { type: 'log', level: 'info', message: describeData(run) };
    for (const message of specWarnings(spec)) yield { type: 'log', level: 'warning', message };
    const { sequences } = data.training;
    if (sequences < spec.training.batch_size)
      yield {
        type: 'log',
        level: 'warning',
        message: data.training.continues
          ? `The ${data.text ? 'text' : 'series'} has only ${sequences} windows of ${spec.training.sequence_length} ${data.text ? 'tokens' : 'time steps'}: training with a batch of ${sequences} instead of ${spec.training.batch_size}.`
          : `There are only ${sequences} records to train on: training with a batch of ${sequences} instead of ${spec.training.batch_size}.`,
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
