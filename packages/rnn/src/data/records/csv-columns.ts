import type { SeriesOptions } from '@unfold/contracts';
import { describeValue } from '@unfold/contracts/values';
import { dataLimits } from './data-limits.ts';
import { problem } from './data-problem.ts';

/** The columns of a CSV file that are read. */
export interface CsvColumns {
  /** Their places in a line. */
  places: readonly number[];
  /** What the first line calls them; null: it has numbers already. */
  names: readonly string[] | null;
  /** Those that are not read, since no number is where the first one should be, with what is there. */
  left: readonly { column: string | number; cell: string }[];
}

/** Decimal numbers as CSV has them; the empty cell, `NaN`, `Infinity` and hexadecimal numbers are none. */
const decimal = /^\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*$/;

export const isNumber = (cell: string | undefined): boolean =>
  cell !== undefined && decimal.test(cell) && Number.isFinite(Number(cell));

const someOf = (cells: readonly string[]): string =>
  cells
    .slice(0, 8)
    .map((cell) => describeValue(cell))
    .concat(cells.length > 8 ? ['…'] : [])
    .join(', ');

/** The places that `series.columns` asks for; null: whichever hold numbers. */
const askedPlaces = (first: readonly string[], columns: SeriesOptions['columns']): number[] | null => {
  if (columns === null) return null;
  const places = columns.map((column) => {
    const at = typeof column === 'number' ? column : first.indexOf(column);
    if (at >= 0 && at < first.length) return at;
    throw problem(
      `a column ${describeValue(column)} (series.columns)`,
      typeof column === 'number' ? `a line of ${first.length}` : `a line with ${someOf(first)}`,
    );
  });
  if (new Set(places).size !== places.length)
    throw problem('series.columns to name each column once', 'one of them twice');
  return places;
};

const ownColumns = (
  first: readonly string[],
  second: readonly string[] | null,
  { header, columns }: SeriesOptions,
): CsvColumns => {
  const asked = askedPlaces(first, columns);
  const byName = columns?.some((column) => typeof column === 'string') ?? false;
  const candidates =
    asked ?? first.map((_, k) => k).filter((k) => isNumber(first[k]) || isNumber(second?.[k]));
  const named = header ?? (byName || !candidates.every((k) => isNumber(first[k])));
  const data = named ? second : first;
  const places = asked ?? candidates.filter((k) => isNumber(data?.[k]));
  if (places.length === 0)
    throw problem(
      'at least one column of numbers',
      data === null ? 'a header alone' : describeValue(data.join(' ')),
    );
  if (places.length > dataLimits.width)
    throw problem(`at most ${dataLimits.width} columns`, `${places.length}`);
  const nameAt = (k: number): string | number => (named ? first[k]! : k);
  const left = asked
    ? []
    : first
        .map((_, k) => ({ column: nameAt(k), cell: data?.[k] ?? '' }))
        .filter((_, k) => !places.includes(k));
  return { places, names: named ? places.map((k) => first[k]!) : null, left };
};

/** What was decided about a file without being asked for, where there is anything to tell. */
export const describeChoice = ({ names, left }: CsvColumns): string | null => {
  const header = names && 'the first line was taken for the names of the columns (series.header)';
  const [first] = left;
  const columns =
    first &&
    `column ${describeValue(first.column)} was left out, since ${describeValue(first.cell)} is not a number` +
      (left.length > 1 ? `, and so were ${left.length - 1} more` : '');
  return [header, columns].filter(Boolean).join('; ') || null;
};

/** The columns of the names that another file has, in its order. */
const namedColumns = (first: readonly string[], names: readonly string[]): CsvColumns => {
  const taken = new Set<number>();
  for (const name of names) {
    const at = first.findIndex((cell, k) => cell === name && !taken.has(k));
    if (at < 0) throw problem(`the columns ${someOf(names)} of the file`, `a line with ${someOf(first)}`);
    taken.add(at);
  }
  return { places: [...taken], names, left: [] };
};

/**
 * Which columns are read, and whether the first line names them.
 * @param first cells of the first line
 * @param second cells of the second line; null: there is none
 * @param like the columns of the training file, for one to validate on
 * @throws DataProblem
 */
export const chooseColumns = (
  first: readonly string[],
  second: readonly string[] | null,
  series: SeriesOptions,
  like: CsvColumns | null,
): CsvColumns => {
  const cells = first.map((cell) => cell.trim());
  if (like !== null && like.names !== null) return namedColumns(cells, like.names);
  const own = ownColumns(cells, second, series);
  if (like !== null && own.places.join() !== like.places.join())
    throw problem(
      `numbers in columns ${like.places.join(', ')} as in the file`,
      `them in ${own.places.join(', ')}`,
    );
  return own;
};
