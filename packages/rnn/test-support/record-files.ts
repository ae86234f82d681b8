import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type JobSpec, jobSpec, parseRequest } from '@unfold/contracts';
import { prepareRecordFile, type RecordFile } from '../src/data/records/record-file.ts';
import { scratchFolder } from './runs.ts';

/** A completed spec with the defaults of a request. */
export const specOf = (options: object): JobSpec =>
  parseRequest(jobSpec, { file: `file-${'0'.repeat(26)}`, ...options });

/** Records as JSON Lines. */
export const jsonLines = (records: object[]): string =>
  records.map((record) => JSON.stringify(record)).join('\n');

/** The record file of a text, or of records, in a folder of its own. */
export const prepare = async (
  options: object,
  content: string | object[],
  validation: string | null = null,
): Promise<RecordFile> => {
  const scratch = scratchFolder();
  const data = join(scratch, 'data');
  await writeFile(data, typeof content === 'string' ? content : jsonLines(content));
  if (validation !== null) await writeFile(`${data}.validation`, validation);
  const request = {
    spec: specOf(options),
    data,
    validation: validation === null ? null : `${data}.validation`,
    scratch,
  };
  return (await prepareRecordFile(request))!;
};

/** The vocabulary of a part. */
export const tokensOf = (part: RecordFile['encoding']['input' | 'output']): readonly string[] =>
  part?.kind === 'text'
    ? part.tokenizer.tokens
    : part === null || part.kind === 'vectors'
      ? []
      : part.list.tokens;
