import { Readable } from 'node:stream';
import { describeValue, type SeriesOptions } from '@unfold/contracts';
import { type Info, parse } from 'csv-parse';
import type { PartReader } from '../data-part.ts';
import { dataLimits, fitsSingle } from './data-limits.ts';
import { atLine, type DataFile, invalidData, problem } from './data-problem.ts';
import { parseJson } from './json-object.ts';
import { vectorOf } from './json-values.ts';
import { readFilledLines } from './line-reader.ts';

/** One time step of an endless series. */
export interface SeriesStep {
  line: number;
  values: Float64Array;
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
    yield { line, values };
  }
}

/** Decimal numbers as CSV has them; the empty cell, `NaN`, `Infinity` and hexadecimal numbers are none. */
const decimal = /^\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*$/;
const isNumber = (cell: string | undefined): boolean =>
  cell !== undefined && decimal.test(cell) && Number.isFinite(Number(cell));

/** Places of the columns to use, and whether the first row names them. */
const chooseColumns = (
  first: readonly string[],
  second: readonly string[] | null,
  { header, columns }: SeriesOptions,
): { places: number[]; named: boolean } => {
  const place = (column: string | number): number => {
    const at = typeof column === 'number' ? column : first.findIndex((cell) => cell.trim() === column);
    if (at >= 0 && at < first.length) return at;
    throw problem(
      `a column ${describeValue(column)} (series.columns)`,
      typeof column === 'number'
        ? `a line of ${first.length}`
        : `a line with ${first
            .map((cell) => describeValue(cell.trim()))
            .slice(0, 8)
            .join(', ')}`,
    );
  };
  const byName = columns?.some((column) => typeof column === 'string') ?? false;
  const chosen = columns?.map(place) ?? null;
  if (chosen !== null && new Set(chosen).size !== chosen.length)
    throw problem('series.columns to name each column once', 'one of them twice');
  const candidates =
    chosen ?? first.map((_, k) => k).filter((k) => isNumber(first[k]) || isNumber(second?.[k]));
  const named = header ?? (byName || !candidates.every((k) => isNumber(first[k])));
  const data = named ? second : first;
  const places = chosen ?? candidates.filter((k) => isNumber(data?.[k]));
  if (places.length === 0)
    throw problem(
      'at least one column of numbers',
      data === null ? 'a header alone' : describeValue(data.join(' ')),
    );
  if (places.length > dataLimits.width)
    throw problem(`at most ${dataLimits.width} columns`, `${places.length}`);
  return { places, named };
};

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
): AsyncGenerator<SeriesStep> {
  let places: number[] | null = null;
  let names: readonly string[] = [];
  const step = ({ line, cells }: { line: number; cells: string[] }): SeriesStep => ({
    line,
    values: atLine(param, line, () =>
      Float64Array.from(places!, (place) => {
        const cell = cells[place]!;
        const value = isNumber(cell) ? Number(cell) : Number.NaN;
        if (fitsSingle(value)) return value;
        const column =
          names[place] === undefined ? `column ${place}` : `column ${describeValue(names[place].trim())}`;
        const range = Number.isNaN(value) ? '' : ' within single precision (3.4e38)';
        throw problem(`a number${range} in ${column}`, describeValue(cell));
      }),
    ),
  });
  let first: { line: number; cells: string[] } | null = null;
  const begin = (second: string[] | null): boolean => {
    const chosen = atLine(param, first!.line, () => chooseColumns(first!.cells, second, series));
    places = chosen.places;
    if (chosen.named) names = first!.cells;
    return chosen.named;
  };
  for await (const row of readCsvRows(reader, param, series)) {
    if (first === null) {
      first = row;
      continue;
    }
    if (places === null && !begin(row.cells)) yield step(first);
    yield step(row);
  }
  if (first !== null && places === null && !begin(null)) yield step(first);
}

/**
 * The time steps of an endless series, all of one width.
 * @throws UnfoldError `invalid_data`, `invalid_utf8`
 */
export const readSeries = (
  reader: PartReader,
  param: DataFile['param'],
  layout: Exclude<SeriesLayout, 'records'>,
  series: SeriesOptions,
): AsyncGenerator<SeriesStep> =>
  layout === 'csv' ? readCsvSteps(reader, param, series) : readJsonSteps(reader, param);
