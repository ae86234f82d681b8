import type { JobSpec } from '@unfold/contracts';
import { UnfoldError } from '@unfold/contracts/values';
import { type BatchPlan, planTraining, planValidation } from '../data/batch-plan.ts';
import { type Feed, RecordFeed, seriesFeed, textFeed } from '../data/feed.ts';
import type { DataSource } from '../data/prepared-file.ts';
import { placesOf } from '../data/records/places.ts';
import type { RecordEncoding } from '../data/records/record-encoding.ts';
import { prepareRecordFile, type RecordFile } from '../data/records/record-file.ts';
import { readsRecords } from '../data/records/record-reader.ts';
import type { RecordIndex } from '../data/records/source.ts';
import { prepareTokenFile, type TokenFile } from '../data/token-file.ts';
import { textEncoding } from '../model/network-shape.ts';
import { encodingMetadata } from '../weights/metadata.ts';
import type { Checkpoint } from './checkpoint.ts';
import { warmUpSteps } from './closed-loop-evaluation.ts';
import { expectDataFit } from './data-fit.ts';

/** A run's data on disk, how it became numbers, and where its batches come from. */
export interface RunData {
  encoding: RecordEncoding;
  source: DataSource;
  /** Time steps to train on and to validate on. */
  steps: { training: number; validation: number };
  training: Feed;
  /** null: nothing is held out. */
  validation: Feed | null;
  /** Of an endless text: its tokens, and the layout of the part that is held out. */
  text: { file: TokenFile; validation: BatchPlan | null } | null;
  /** Of a forecast: what it is measured on over its horizon, null where nothing is held out. */
  horizon: Feed | null;
}

export interface RunDataRequest {
  spec: JobSpec;
  data: string;
  validation: string | null;
  scratch: string;
  checkpoint: Checkpoint | null;
  interrupted: () => boolean;
}

/** A vocabulary travels in the header of every weights file, and headers have a limit. */
const mostVocabularyBytes = 900_000;

const expectStorable = (encoding: RecordEncoding): void => {
  const bytes = Buffer.byteLength(JSON.stringify(encodingMetadata(encoding)));
  const { input } = encoding;
  const tokens =
    input.kind === 'text' ? input.tokenizer.tokens : input.kind === 'tokens' ? input.list.tokens : [];
  if (bytes > mostVocabularyBytes)
    throw new UnfoldError(
      'limit_exceeded',
      `The vocabulary of ${tokens.length} tokens takes ${bytes} bytes, more than the ${mostVocabularyBytes} that a weights file's header has room for: lower text.max_vocab.`,
      { param: 'text.max_vocab' },
    );
};

/**
 * Prepares the data, unless that is done already, and plans its batches; null if it was interrupted.
 * @throws UnfoldError what is wrong with the data, or with the options for such data
 */
export const openRunData = async (request: RunDataRequest): Promise<RunData | null> => {
  const { spec } = request;
  const data = await (readsRecords(spec) ? openRecords(request) : openText(request));
  if (data !== null) expectDataFit(spec, placesOf(data.encoding), data.training.fewest);
  return data;
};

const openText = async (request: RunDataRequest): Promise<RunData | null> => {
  const { spec, checkpoint } = request;
  const { batch_size, sequence_length, validation_fraction } = spec.training;
  const earlier = checkpoint?.encoding.input;
  const file = await prepareTokenFile({
    data: request.data,
    validation: request.validation,
    text: spec.text,
    validationFraction: validation_fraction,
    scratch: request.scratch,
    interrupted: request.interrupted,
    ...(checkpoint &&
      earlier?.kind === 'text' && {
        resume: { tokenizer: earlier.tokenizer, source: checkpoint.record.source },
      }),
  });
  if (file === null) return null;
  const encoding = textEncoding(file.tokenizer);
  expectStorable(encoding);
  const training = planTraining(file.trainingTokens, batch_size, sequence_length);
  const validates = request.validation !== null || validation_fraction > 0;
  const validation = validates
    ? planValidation(
        file.trainingTokens,
        file.validationTokens,
        batch_size,
        sequence_length,
        request.validation === null ? 'training.validation_fraction' : 'validation_file',
      )
    : null;
  return {
    encoding,
    source: file.source,
    steps: { training: file.trainingTokens, validation: file.validationTokens },
    training: textFeed(file, training),
    validation: validation && textFeed(file, validation),
    text: { file, validation },
    horizon: null,
  };
};

/** @param window time steps of a window of an endless series */
const recordFeed = (
  spec: JobSpec,
  file: RecordFile,
  index: RecordIndex,
  part: 'training' | 'validation',
  window: number,
): Feed => {
  const { batch_size, bucketing } = spec.training;
  if (file.encoding.endless) return seriesFeed(file, part, batch_size, window);
  return new RecordFeed(file, index, {
    batchSize: batch_size,
    seed: spec.seed,
    bucketing,
    shuffle: part === 'training',
    length: spec.model.length,
  });
};

const openRecords = async (request: RunDataRequest): Promise<RunData | null> => {
  const { spec, checkpoint } = request;
  const file = await prepareRecordFile({
    spec,
    data: request.data,
    validation: request.validation,
    scratch: request.scratch,
    interrupted: request.interrupted,
    ...(checkpoint && { resume: { encoding: checkpoint.encoding, source: checkpoint.record.source } }),
  });
  if (file === null) return null;
  const { encoding, source, training, validation } = file;
  expectStorable(encoding);
  const { sequence_length } = spec.training;
  const heldOut = (window: number) => validation && recordFeed(spec, file, validation, 'validation', window);
  return {
    encoding,
    source,
    steps: { training: training.steps, validation: validation?.steps ?? 0 },
    training: recordFeed(spec, file, training, 'training', sequence_length),
    validation: heldOut(sequence_length),
    text: null,
    horizon: spec.task === 'forecasting' ? heldOut(warmUpSteps + spec.series.horizon) : null,
  };
};
