import type { PartReader } from '../data-part.ts';
import { dataLimits } from './data-limits.ts';
import { type DataFile, invalidData } from './data-problem.ts';
import type { DataRecord } from './data-record.ts';
import { readLines } from './line-reader.ts';

const record = (line: number, text: string): DataRecord => ({
  line,
  input: { kind: 'text', text },
  output: null,
  context: null,
});

/** A sequence each line; empty lines are left out. */
export async function* readLineSequences(
  reader: PartReader,
  param: DataFile['param'],
): AsyncGenerator<DataRecord> {
  for await (const { line, text } of readLines(reader, param)) if (text !== '') yield record(line, text);
}

/** A sequence each run of lines between empty ones, its lines joined by LF. */
export async function* readParagraphSequences(
  reader: PartReader,
  param: DataFile['param'],
): AsyncGenerator<DataRecord> {
  let lines: string[] = [];
  let first = 1;
  let size = 0;
  for await (const { line, text } of readLines(reader, param)) {
    if (text === '') {
      if (lines.length > 0) yield record(first, lines.join('\n'));
      lines = [];
      size = 0;
      continue;
    }
    if (lines.length === 0) first = line;
    lines.push(text);
    size += text.length + 1;
    if (size > dataLimits.line)
      throw invalidData(
        param,
        first,
        `expected a sequence of at most ${dataLimits.line} characters, but it is longer`,
      );
  }
  if (lines.length > 0 && !reader.interrupted) yield record(first, lines.join('\n'));
}
