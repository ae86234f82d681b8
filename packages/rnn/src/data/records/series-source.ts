import type { JobSpec } from '@unfold/contracts';
import { UnfoldError } from '@unfold/contracts/values';
import type { PartReader } from '../data-part.ts';
import type { DataSource } from '../prepared-file.ts';
import { type CsvColumns, describeChoice } from './csv-columns.ts';
import { atLine, type DataFile, invalidData, problem } from './data-problem.ts';
import { NormalizationBuilder, normalizeInto } from './normalization.ts';
import { requireBinary } from './record-check.ts';
import type { VectorEncoding } from './record-encoding.ts';
import { type BufferedFile, indexEntry } from './record-writer.ts';
import { readSeries, type SeriesLayout, type SeriesStep } from './series.ts';
import type { IndexWriter, RecordsSource, SourceFiles } from './source.ts';

const fingerprint = (reader: PartReader) => ({ bytes: reader.bytes, sha256: reader.sha256() });

/** Steps of the training part of a series: all but the tail that is held out. */
export const trainingSteps = (steps: number, fraction: number): number => Math.floor(steps * (1 - fraction));

/**
 * Requires that a part is long enough; one that is not may have been read otherwise than it was meant, so the error says how.
 * @throws UnfoldError `invalid_data`
 */
const requireSteps = (
  steps: number,
  least: number,
  param: DataFile['param'],
  why: string,
  columns: CsvColumns | null,
): void => {
  if (steps >= least) return;
  const choice = columns && describeChoice(columns);
  throw invalidData(
    param,
    null,
    `expected at least ${least} time steps ${why}, but received ${steps}${choice ? `: ${choice}` : ''}`,
  );
};

/**
 * Requires that a series is as long as a window in the part to train on, and two steps in the one that is held out.
 * @param steps of the whole file
 * @param fraction that is held out of it
 * @throws UnfoldError `invalid_data`
 */
export const requireTrainable = (
  steps: number,
  fraction: number,
  { training: { sequence_length: window } }: JobSpec,
  columns: CsvColumns | null,
): void => {
  const training = trainingSteps(steps, fraction);
  const why = `to train on (training.sequence_length ${window} and a target)`;
  requireSteps(training, window + 1, 'file', why, columns);
  if (fraction > 0) requireSteps(steps - training, 2, 'file', 'held out for validation', columns);
};

/** Requires that a series to validate on has a step and a next one. @throws UnfoldError `invalid_data` */
export const requireValidatable = (steps: number, columns: CsvColumns | null): void =>
  requireSteps(steps, 2, 'validation_file', 'to validate on', columns);

/** What the file to validate on shares with the one to train on. */
export interface SeriesLike {
  width: number;
  columns: CsvColumns | null;
}

/**
 * Reads a series and holds each step against the options.
 * @param like null: nothing is known of its steps
 */
export async function* checkedSteps(
  reader: PartReader,
  param: DataFile['param'],
  layout: Exclude<SeriesLayout, 'records'>,
  { series, training }: JobSpec,
  like: SeriesLike | null,
): AsyncGenerator<SeriesStep> {
  for await (const step of readSeries(reader, param, layout, series, like?.columns ?? null)) {
    atLine(param, step.line, () => {
      if (like !== null && step.values.length !== like.width)
        throw problem(`${like.width} columns as in the file`, `${step.values.length}`);
      if (training.loss === 'bernoulli') requireBinary(step.values);
    });
    yield step;
  }
}

/** An endless series: one record to train on and, at its end or in a file of its own, one to validate on. */
export const seriesSource = (
  spec: JobSpec,
  files: SourceFiles,
  layout: Exclude<SeriesLayout, 'records'>,
): RecordsSource => {
  const fraction = files.validation === null ? spec.training.validation_fraction : 0;
  let counted: { steps: number; sha256: string } | null = null;
  let made: DataSource | null = null;

  const count = async (): Promise<boolean> => {
    if (counted !== null) return true;
    const reader = await files.open(files.data);
    let steps = 0;
    let columns: CsvColumns | null = null;
    for await (const step of checkedSteps(reader, 'file', layout, spec, null)) {
      columns = step.columns;
      steps++;
    }
    if (reader.interrupted) return false;
    requireTrainable(steps, fraction, spec, columns);
    counted = { steps, sha256: reader.sha256() };
    return true;
  };

  const writeStep = async (
    step: SeriesStep,
    encoding: VectorEncoding,
    values: BufferedFile,
  ): Promise<void> => {
    const row = new Float32Array(step.values.length);
    normalizeInto(step.values, encoding.normalization, row);
    await values.append(row);
  };

  const finishPart = async (index: IndexWriter, offset: number, steps: number): Promise<void> => {
    if (steps === 0) return;
    await index.file.append(indexEntry(offset, steps, 1));
    index.records = 1;
    index.steps = steps;
    index.longest = steps;
    index.targets = steps - 1;
  };

  return {
    async learn() {
      if (!(await count())) return null;
      const reader = await files.open(files.data);
      const training = trainingSteps(counted!.steps, fraction);
      let builder: NormalizationBuilder | null = null;
      let width = 0;
      let number = 0;
      for await (const { values } of checkedSteps(reader, 'file', layout, spec, null)) {
        width = values.length;
        builder ??= new NormalizationBuilder(width);
        if (number++ < training) builder.push(values);
      }
      if (reader.interrupted) return null;
      const normalization = spec.series.normalization === 'standard' ? builder!.finish() : null;
      return { input: { kind: 'vectors', width, normalization }, output: null, context: null, endless: true };
    },

    async write(encoding, values, { training, validation }) {
      if (!(await count())) return false;
      const input = encoding.input as VectorEncoding;
      const split = trainingSteps(counted!.steps, fraction);
      const reader = await files.open(files.data);
      let number = 0;
      let border = 0;
      const like: SeriesLike = { width: input.width, columns: null };
      for await (const step of checkedSteps(reader, 'file', layout, spec, { ...like })) {
        like.columns = step.columns;
        if (number++ === split) border = values.bytes;
        await writeStep(step, input, values);
      }
      if (reader.interrupted) return false;
      if (reader.sha256() !== counted!.sha256)
        throw new UnfoldError('data_changed', 'The file changed while it was being read.', { param: 'file' });
      made = { data: fingerprint(reader), validation: null };
      await finishPart(training, 0, split);
      await finishPart(validation, border, number - split);
      if (files.validation === null) return true;

      const held = await files.open(files.validation);
      const offset = values.bytes;
      let steps = 0;
      let columns: CsvColumns | null = null;
      for await (const step of checkedSteps(held, 'validation_file', layout, spec, like)) {
        columns = step.columns;
        await writeStep(step, input, values);
        steps++;
      }
      if (held.interrupted) return false;
      requireValidatable(steps, columns);
      await finishPart(validation, offset, steps);
      made = { ...made, validation: fingerprint(held) };
      return true;
    },

    source: () => made!,
  };
};
