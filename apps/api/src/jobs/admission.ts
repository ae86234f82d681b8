import type { Config } from '@unfold/config';
import { type ErrorCode, type JobSpec, UnfoldError } from '@unfold/contracts';
import { describeValue } from '@unfold/contracts/values';
import type { LocatedFile, LocatedModel } from '@unfold/store';
import type { ApiContext } from '../context.ts';
import type { CheckedFile, DataCheckTask, DataSummary } from '../inference/data-checks.ts';
import { estimateTraining, fewestTokens, type TrainingNeeds } from '../inference/estimate-training.ts';
import { findStartModel } from './start-model.ts';

type Param = 'file' | 'validation_file';

/** Read in windows: what the upload recorded is all that has to be known of it. */
const isEndlessText = ({ task, text }: JobSpec): boolean =>
  task === 'language_model' && text.sequences === 'whole';

/** At most one token per character, or per byte. */
const mostTokens = (file: LocatedFile, spec: JobSpec): number =>
  spec.text.level === 'byte' ? file.bytes : (file.characters ?? 0);

/** A file as whoever uploaded it knows it, beside the id that they may never have seen. */
const nameOf = ({ filename, id }: LocatedFile): string => `${describeValue(filename)} (${id})`;

/** @throws UnfoldError if the upload recorded that the file cannot be read as this task reads it */
export const requireText = (file: LocatedFile, spec: JobSpec, param: Param): void => {
  if (file.bytes === 0)
    throw new UnfoldError('empty_file', `${param}: expected text, but ${nameOf(file)} is empty.`, { param });
  const bytesWillDo = isEndlessText(spec) && spec.text.level === 'byte';
  if (!bytesWillDo && file.invalid_utf8_offset !== null)
    throw new UnfoldError(
      'invalid_utf8',
      `${param}: expected UTF-8, but ${nameOf(file)} has an invalid byte at offset ${file.invalid_utf8_offset}. ${isEndlessText(spec) ? 'Convert it, or use text.level "byte"' : 'Convert it'}.`,
      { param },
    );
};

const requireLength = (file: LocatedFile, spec: JobSpec): void => {
  const { sequence_length: window, validation_fraction: fraction } = spec.training;
  const share = spec.validation_file === null ? 1 - fraction : 1;
  const available = Math.ceil(mostTokens(file, spec) * share);
  if (available < window + 1)
    throw new UnfoldError(
      'text_too_short',
      `file: expected at least ${window + 1} tokens to train on (training.sequence_length ${window} and a target), but ${nameOf(file)} has at most ${available}` +
        `${share < 1 ? ` beside the ${fraction * 100} % held out for validation` : ''}.`,
      { param: 'file' },
    );
};

const requireValidation = (file: LocatedFile, spec: JobSpec): void => {
  requireText(file, spec, 'validation_file');
  if (isEndlessText(spec) && mostTokens(file, spec) < 2)
    throw new UnfoldError(
      'text_too_short',
      `validation_file: expected at least 2 tokens, but ${nameOf(file)} has fewer.`,
      {
        param: 'validation_file',
      },
    );
};

/** Of a served model. */
const parameterBytes = Float32Array.BYTES_PER_ELEMENT;

const mostParameters = ({ modelParameters, modelMemoryBytes }: Config['limits']): number =>
  Math.min(modelParameters, modelMemoryBytes / parameterBytes);

const requireWithinLimits = (spec: JobSpec, estimate: TrainingNeeds, { limits }: Config): void => {
  if (spec.training.sequence_length > limits.sequenceLength)
    throw new UnfoldError(
      'limit_exceeded',
      `training.sequence_length: expected at most ${limits.sequenceLength} on this server, but received ${spec.training.sequence_length}.`,
      { param: 'training.sequence_length' },
    );
  if (estimate.parameters > limits.modelParameters)
    throw new UnfoldError(
      'limit_exceeded',
      `model: expected at most ${limits.modelParameters} parameters on this server, but this one has ${estimate.exact ? '' : 'up to '}${estimate.parameters}.`,
      { param: 'model' },
    );
  const servedBytes = estimate.parameters * parameterBytes;
  if (servedBytes > limits.modelMemoryBytes)
    throw new UnfoldError(
      'limit_exceeded',
      `model: its weights would take ${servedBytes} bytes, but this server serves models of at most ${limits.modelMemoryBytes}.`,
      { param: 'model' },
    );
};

/** Records and series are read as a whole, once for the same bytes and options; an endless text only where that decides. */
const toRead = (
  { store, config }: Admission,
  spec: JobSpec,
  file: LocatedFile,
  validation: LocatedFile | null,
): DataCheckTask => {
  const checked = ({ path, sha256 }: LocatedFile): CheckedFile => ({
    path: store.artifacts.absolute(path),
    sha256,
  });
  return {
    spec,
    data: checked(file),
    validation: validation && checked(validation),
    longest_sequence: config.limits.sequenceLength,
  };
};

/** What an endless text is checked for beside what its upload recorded, where that leaves a doubt. */
interface Doubts {
  /** Whether it depends on the vocabulary, or on the number of tokens to train on, if the spec is refused. */
  vocabulary: boolean;
  /** Whether what is held out might be too short to validate on. */
  validation: boolean;
}

const doubtsOf = (
  spec: JobSpec,
  data: LocatedFile,
  validation: LocatedFile | null,
  most: TrainingNeeds,
  { limits }: Config,
): Doubts => {
  const isTooLarge = !most.exact && most.parameters > mostParameters(limits);
  if (!isEndlessText(spec)) return { vocabulary: isTooLarge, validation: false };
  const { sequence_length, validation_fraction: validationFraction } = spec.training;
  const fewest = fewestTokens({ text: spec.text, validationFraction, data, validation });
  return {
    vocabulary: isTooLarge || fewest.training < sequence_length + 1,
    validation: (validation !== null || validationFraction > 0) && fewest.validation < 2,
  };
};

/** What {@link admitJob} may refuse a spec with. */
export const admissionErrors: ErrorCode[] = [
  'not_found',
  'empty_file',
  'invalid_utf8',
  'text_too_short',
  'invalid_data',
  'limit_exceeded',
  'impossible_with_data',
];

type Admission = Pick<ApiContext, 'store' | 'config' | 'dataChecks' | 'vocabularies' | 'files'>;

/** What was found of a job that may be posted. */
interface Admitted {
  file: LocatedFile;
  validation: LocatedFile | null;
  /** null: of an endless text. */
  data: DataSummary | null;
  /** What it would need, at most where nothing is counted. */
  estimate: TrainingNeeds;
  /** The model that it starts from. */
  start: LocatedModel | null;
}

/**
 * Checks a spec against what the upload recorded of an endless text, which is read again only where that leaves a doubt, and against the
 * content of other data.
 * @throws UnfoldError of {@link admissionErrors}
 */
export const admitJob = async (context: Admission, project: string, spec: JobSpec): Promise<Admitted> => {
  const { store, config, files } = context;
  const file = await files.find(project, spec.file, 'file');
  requireText(file, spec, 'file');
  const validation =
    spec.validation_file === null ? null : await files.find(project, spec.validation_file, 'validation_file');
  if (validation !== null) requireValidation(validation, spec);
  if (isEndlessText(spec)) requireLength(file, spec);
  const task = toRead(context, spec, file, validation);
  const data = isEndlessText(spec) ? null : await context.dataChecks.check(task);
  const most = estimateTraining(spec, file, data);
  const doubts = doubtsOf(spec, file, validation, most, config);
  const estimate = doubts.vocabulary
    ? estimateTraining(spec, file, data, await context.vocabularies.check(task))
    : most;
  requireWithinLimits(spec, estimate, config);
  if (doubts.validation) await context.dataChecks.check(task);
  return { file, validation, data, estimate, start: await findStartModel(store, project, spec, data) };
};
