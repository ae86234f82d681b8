import type { JobSpec } from '@unfold/contracts';
import { UnfoldError } from '@unfold/contracts/values';
import type { PartReader } from '../data-part.ts';
import type { DataSource } from '../prepared-file.ts';
import type { CsvColumns } from './csv-columns.ts';
import { atLine, type DataFile, invalidData, problem } from './data-problem.ts';
import { NormalizationBuilder, normalizeInto } from './normalization.ts';
import { requireBinary } from './record-check.ts';
import type { VectorEncoding } from './record-encoding.ts';
import type { IndexWriter, RecordsSource, SourceFiles } from './record-file.ts';
import { type BufferedFile, indexEntry } from './record-writer.ts';
import { readSeries, type SeriesLayout, type SeriesStep } from './series.ts';

const fingerprint = (reader: PartReader) => ({ bytes: reader.bytes, sha256: reader.sha256() });

/** Steps of the training part of a series: all but the tail that is held out. */
export const trainingSteps = (steps: number, fraction: number): number => Math.floor(steps * (1 - fraction));

/** @throws UnfoldError `invalid_data` where a part is shorter than a window, or than two steps */
export const requireSteps = (steps: number, least: number, param: DataFile['param'], why: string): void => {
  if (steps < least)
    throw invalidData(param, null, `expected at least ${least} time steps ${why}, but received ${steps}`);
};

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
    for await (const _ of checkedSteps(reader, 'file', layout, spec, null)) steps++;
    if (reader.interrupted) return false;
    const window = spec.training.sequence_length;
    requireSteps(
      trainingSteps(steps, fraction),
      window + 1,
      'file',
      `to train on (training.sequence_length ${window} and a target)`,
    );
    if (fraction > 0)
      requireSteps(steps - trainingSteps(steps, fraction), 2, 'file', 'held out for validation');
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
      for await (const step of checkedSteps(held, 'validation_file', layout, spec, like)) {
        await writeStep(step, input, values);
        steps++;
      }
      if (held.interrupted) return false;
      requireSteps(steps, 2, 'validation_file', 'to validate on');
      await finishPart(validation, offset, steps);
      made = { ...made, validation: fingerprint(held) };
      return true;
    },

    source: () => made!,
  };
};
