import { Readable } from 'node:stream';
import type { SeriesOptions } from '@unfold/contracts';
import { describeValue } from '@unfold/contracts/values';
import { type Info, parse } from 'csv-parse';
import type { PartReader } from '../data-part.ts';
import { type CsvColumns, chooseColumns, isNumber } from './csv-columns.ts';
import { dataLimits, fitsSingle } from './data-limits.ts';
import { atLine, type DataFile, invalidData, problem } from './data-problem.ts';
import { parseJson } from './json-object.ts';
import { vectorOf } from './json-values.ts';
import { readFilledLines } from './line-reader.ts';

/** One time step of an endless series. */
export interface SeriesStep {
  line: number;
  values: Float64Array;
  /** Of a CSV file: where its values stand. */
  columns: CsvColumns | null;
}

/** How a forecasting file is written: time steps as CSV or JSON Lines, or a whole series each line. */
export type SeriesLayout = 'csv' | 'steps' | 'records';

/** Looks at the first line that is not empty. */
export const seriesLayout = async (
  reader: PartReader,
  param: DataFile['param'],
  { format }: SeriesOptions,
): Promise<SeriesLayout> => {
  if (format === 'csv') return 'csv';
  for await (const { text } of readFilledLines(reader, param)) {
    const begin = text.trimStart()[0];
    if (begin === '{') return 'records';
    if (begin === '[' || format === 'json_lines') return 'steps';
    return 'csv';
  }
  throw invalidData(param, null, 'expected time steps, but every line is empty');
};

async function* readJsonSteps(reader: PartReader, param: DataFile['param']): AsyncGenerator<SeriesStep> {
  let width: number | null = null;
  for await (const { line, text } of readFilledLines(reader, param)) {
    const values = atLine(param, line, () => {
      const vector = vectorOf(parseJson(text, 'a list of numbers'), 'the line');
      if (width !== null && vector.length !== width)
        throw problem(`${width} numbers as in the lines before`, `${vector.length}`);
      return vector;
    });
    width = values.length;
    yield { line, values, columns: null };
  }
}

async function* readCsvRows(
  reader: PartReader,
  param: DataFile['param'],
  { delimiter }: SeriesOptions,
): AsyncGenerator<{ line: number; cells: string[] }> {
  const parser = parse({
    delimiter,
    info: true,
    bom: true,
    skip_empty_lines: true,
    relax_column_count: true,
    max_record_size: dataLimits.line,
  });
  const source = Readable.from(reader.texts());
  source.on('error', (error) => parser.destroy(error));
  source.pipe(parser);
  let width: number | null = null;
  try {
    for await (const { record, info } of parser as AsyncIterable<{ record: string[]; info: Info }>) {
      width ??= record.length;
      if (record.length !== width)
        throw invalidData(
          param,
          info.lines,
          `expected ${width} cells as in the lines before, but received ${record.length}`,
        );
      yield { line: info.lines, cells: record };
    }
  } catch (error) {
    const { code, lines, message } = error as { code?: string; lines?: number; message: string };
    if (!code?.startsWith('CSV_')) throw error;
    throw invalidData(param, lines ?? null, `expected CSV, but ${message.replace(/\.$/, '')}`);
  } finally {
    source.destroy();
  }
}

async function* readCsvSteps(
  reader: PartReader,
  param: DataFile['param'],
  series: SeriesOptions,
  like: CsvColumns | null,
): AsyncGenerator<SeriesStep> {
  let columns: CsvColumns | null = null;
  const step = ({ line, cells }: { line: number; cells: string[] }): SeriesStep => ({
    line,
    columns,
    values: atLine(param, line, () =>
      Float64Array.from(columns!.places, (place, k) => {
        const cell = cells[place]!;
        const value = isNumber(cell) ? Number(cell) : Number.NaN;
        if (fitsSingle(value)) return value;
        const name = columns!.names?.[k];
        const column = `column ${name === undefined ? place : describeValue(name)}`;
        const range = Number.isNaN(value) ? '' : ' within single precision (3.4e38)';
        throw problem(`a number${range} in ${column}`, describeValue(cell));
      }),
    ),
  });
  let first: { line: number; cells: string[] } | null = null;
  /** Whether the first line has numbers already. */
  const begin = (second: string[] | null): boolean => {
    columns = atLine(param, first!.line, () => chooseColumns(first!.cells, second, series, like));
    return columns.names === null;
  };
  for await (const row of readCsvRows(reader, param, series)) {
    if (first === null) {
      first = row;
      continue;
    }
    if (columns === null && begin(row.cells)) yield step(first);
    yield step(row);
  }
  if (first !== null && columns === null && begin(null)) yield step(first);
}

/**
 * The time steps of an endless series, all of one width.
 * @param like the columns of the training file, for one to validate on; null: chosen by the options
 * @throws UnfoldError `invalid_data`, `invalid_utf8`
 */
export const readSeries = (
  reader: PartReader,
  param: DataFile['param'],
  layout: Exclude<SeriesLayout, 'records'>,
  series: SeriesOptions,
  like: CsvColumns | null,
): AsyncGenerator<SeriesStep> =>
  layout === 'csv' ? readCsvSteps(reader, param, series, like) : readJsonSteps(reader, param);
