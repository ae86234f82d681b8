import type { JobSpec } from '@unfold/contracts';
import { PartReader } from '../data-part.ts';
import { sizeOf } from '../prepared-file.ts';
import { checkValidationText } from '../validation-text.ts';
import { dataLimits } from './data-limits.ts';
import { atLine, type DataFile, problem } from './data-problem.ts';
import type { DataRecord } from './data-record.ts';
import { createRecordCheck } from './record-check.ts';
import { readRecords, readsRecords } from './record-reader.ts';
import { requireRecords } from './records-source.ts';
import { type SeriesLayout, seriesLayout } from './series.ts';
import { checkedSteps, requireTrainable, requireValidatable, type SeriesLike } from './series-source.ts';

/** What records have at a place of the network: names, so many distinct ones, or vectors of so many numbers. A text's tokens are not counted. */
export type PlaceSummary =
  | { kind: 'text' }
  | { kind: 'names'; size: number }
  | { kind: 'vectors'; width: number };

/** What a file holds, as the task reads it. */
export interface DataSummary {
  /** One endless series, read in windows. */
  endless: boolean;
  /** Records; 1 of an endless series. */
  records: number;
  /** Time steps or tokens, of all records and of the longest. */
  steps: number;
  longest: number;
  /** Distinct labels and output tokens. */
  labels: number;
  input: PlaceSummary;
  /** null: the input's next steps. */
  output: PlaceSummary | null;
  context: PlaceSummary | null;
}

export interface DataCheckRequest {
  spec: JobSpec;
  /** Path of the data. */
  data: string;
  /** Path of data to validate on, or null. */
  validation: string | null;
  /** Longest sequence that is accepted, if less than the library's own bound. */
  longestSequence?: number;
  interrupted?: () => boolean;
}

/** Labels, output tokens or contexts: no record has more than one kind of them. */
const namesOf = ({ output, context }: DataRecord): string[] => [
  ...(output?.kind === 'label' ? [output.label] : []),
  ...(output?.kind === 'tokens' ? output.tokens.filter((token) => token !== null) : []),
  ...(context?.kind === 'label' ? [context.label] : []),
];

/** @param names how many distinct ones have been seen there */
const placeOf = (part: DataRecord['input' | 'output' | 'context'], names: number): PlaceSummary | null => {
  switch (part?.kind) {
    case 'text':
      return { kind: 'text' };
    case 'vectors':
      return { kind: 'vectors', width: part.width };
    case 'vector':
      return { kind: 'vectors', width: part.values.length };
    case 'tokens':
    case 'label':
      return { kind: 'names', size: names };
    default:
      return null;
  }
};

const checkRecords = async (
  spec: JobSpec,
  files: { file: DataFile; reader: PartReader }[],
  longestSequence: number,
): Promise<DataSummary> => {
  const check = createRecordCheck(spec, { steps: Math.min(dataLimits.steps, longestSequence) });
  const names = new Set<string>();
  const inputs = new Set<string>();
  const total = { endless: false, records: 0, steps: 0, longest: 0 };
  let sample: DataRecord | null = null;
  const summary = (): DataSummary => ({
    ...total,
    labels: names.size,
    input: (sample && placeOf(sample.input, inputs.size)) ?? { kind: 'text' },
    output: sample && placeOf(sample.output, names.size),
    context: sample && placeOf(sample.context, names.size),
  });
  for (const { file, reader } of files) {
    let records = 0;
    for await (const record of readRecords(reader, file.param, spec)) {
      const steps = atLine(file.param, record.line, () => {
        const found = check(record);
        for (const name of namesOf(record)) {
          if (file.param === 'file') names.add(name);
          else if (!names.has(name))
            throw problem('labels that occur in the training data', JSON.stringify(name));
          if (names.size > dataLimits.labels)
            throw problem(`at most ${dataLimits.labels} distinct labels`, 'one more');
        }
        return found;
      });
      records++;
      sample ??= record;
      if (file.param === 'validation_file') continue;
      if (record.input.kind === 'tokens')
        // More than a vocabulary can have are refused once it is known which are to be kept.
        for (const token of record.input.tokens) if (inputs.size < dataLimits.labels) inputs.add(token!);
      total.steps += steps;
      total.longest = Math.max(total.longest, steps);
    }
    if (reader.interrupted) return summary();
    requireRecords(records, files.length > 1 ? 0 : spec.training.validation_fraction, file.param);
    if (file.param === 'file') total.records = records;
  }
  return summary();
};

const checkSeries = async (
  spec: JobSpec,
  files: { file: DataFile; reader: PartReader }[],
  layout: Exclude<SeriesLayout, 'records'>,
): Promise<DataSummary> => {
  const fraction = files.length > 1 ? 0 : spec.training.validation_fraction;
  let total = 0;
  let like: SeriesLike | null = null;
  for (const { file, reader } of files) {
    let steps = 0;
    for await (const { values, columns } of checkedSteps(reader, file.param, layout, spec, like)) {
      like = { width: values.length, columns };
      steps++;
    }
    if (reader.interrupted) break;
    if (file.param === 'validation_file') requireValidatable(steps, like?.columns ?? null);
    else {
      total = steps;
      requireTrainable(steps, fraction, spec, like?.columns ?? null);
    }
  }
  return {
    endless: true,
    records: 1,
    steps: total,
    longest: total,
    labels: 0,
    input: { kind: 'vectors', width: like?.width ?? 1 },
    output: null,
    context: null,
  };
};

/**
 * Reads the whole data of a job once, in constant memory, and holds it against the task: the same checks that training makes, before a
 * worker is busy with it. Of an endless text only the part to validate on is read: what its upload recorded is enough of the rest.
 * @returns null for an endless text
 * @throws UnfoldError `invalid_data` with the line, what was expected and what came; `text_too_short`, `invalid_utf8`, `empty_file`,
 * `data_missing`
 */
export const checkData = async (request: DataCheckRequest): Promise<DataSummary | null> => {
  const { spec, interrupted } = request;
  if (!readsRecords(spec)) {
    const { data, validation } = request;
    const validationFraction = spec.training.validation_fraction;
    await checkValidationText({ data, validation, text: spec.text, validationFraction, interrupted });
    return null;
  }
  const open = async (path: string, param: DataFile['param']) => {
    const name = param === 'file' ? 'The file' : 'The validation file';
    const part = { path, first: 0, end: await sizeOf(path, name, param), name, param };
    return { file: { path, param }, reader: new PartReader(part, interrupted) };
  };
  const files = async () => [
    await open(request.data, 'file'),
    ...(request.validation === null ? [] : [await open(request.validation, 'validation_file')]),
  ];
  const longest = request.longestSequence ?? dataLimits.steps;
  if (spec.task !== 'forecasting') return checkRecords(spec, await files(), longest);
  const { reader } = await open(request.data, 'file');
  const layout = await seriesLayout(reader, 'file', spec.series);
  return layout === 'records'
    ? checkRecords(spec, await files(), longest)
    : checkSeries(spec, await files(), layout);
};
