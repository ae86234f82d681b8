import type { JobSpec } from '@unfold/contracts';
import type { PartReader } from '../data-part.ts';
import { atLine, type DataFile } from './data-problem.ts';
import type { DataRecord } from './data-record.ts';
import { recordParsers } from './json-records.ts';
import { readFilledLines } from './line-reader.ts';
import { readLineSequences, readParagraphSequences } from './text-sequences.ts';

/** Whether a job's data is records; else it is one endless text, or a series that `seriesLayout` may find to be endless. */
export const readsRecords = ({ task, text }: JobSpec): boolean =>
  task !== 'language_model' || text.sequences !== 'whole';

async function* readJsonRecords(
  reader: PartReader,
  param: DataFile['param'],
  { task }: JobSpec,
): AsyncGenerator<DataRecord> {
  const parse = recordParsers[task];
  for await (const { line, text } of readFilledLines(reader, param))
    yield { line, ...atLine(param, line, () => parse(text)) };
}

/** Parsed, but not yet held against each other. */
export const readRecords = (
  reader: PartReader,
  param: DataFile['param'],
  spec: JobSpec,
): AsyncGenerator<DataRecord> => {
  if (spec.text.sequences === 'lines') return readLineSequences(reader, param);
  if (spec.text.sequences === 'blank_lines') return readParagraphSequences(reader, param);
  return readJsonRecords(reader, param, spec);
};

/** How many records a file has, without parsing them. */
export const countRecords = async (
  reader: PartReader,
  param: DataFile['param'],
  { text }: JobSpec,
): Promise<number> => {
  const lines =
    text.sequences === 'lines'
      ? readLineSequences(reader, param)
      : text.sequences === 'blank_lines'
        ? readParagraphSequences(reader, param)
        : readFilledLines(reader, param);
  let records = 0;
  for await (const _ of lines) records++;
  return records;
};
