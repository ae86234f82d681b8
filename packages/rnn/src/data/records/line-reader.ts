import type { PartReader } from '../data-part.ts';
import { dataLimits } from './data-limits.ts';
import { type DataFile, invalidData } from './data-problem.ts';

/** A line without its end, counted from 1. */
export interface Line {
  line: number;
  text: string;
}

/**
 * The lines of a file, in constant memory. A line ends with LF or CR LF; the last one may go without.
 * @throws UnfoldError `invalid_utf8`, `invalid_data` for a line beyond the limit
 */
export async function* readLines(reader: PartReader, param: DataFile['param']): AsyncGenerator<Line> {
  let line = 1;
  let held = '';
  const bounded = (text: string): string => {
    if (text.length > dataLimits.line)
      throw invalidData(
        param,
        line,
        `expected a line of at most ${dataLimits.line} characters, but it is longer`,
      );
    return text;
  };
  const finish = (text: string): Line => ({
    line,
    text: bounded(text.endsWith('\r') ? text.slice(0, -1) : text),
  });
  for await (const chunk of reader.texts()) {
    let from = 0;
    for (let at = chunk.indexOf('\n'); at >= 0; at = chunk.indexOf('\n', from)) {
      yield finish(held + chunk.slice(from, at));
      held = '';
      line += 1;
      from = at + 1;
    }
    held = bounded(held + chunk.slice(from));
  }
  if (held !== '' && !reader.interrupted) yield finish(held);
}

/** Lines that hold something beside white space, as JSON Lines are read. */
export async function* readFilledLines(reader: PartReader, param: DataFile['param']): AsyncGenerator<Line> {
  for await (const line of readLines(reader, param)) if (line.text.trim() !== '') yield line;
}
