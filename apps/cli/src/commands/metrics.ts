import { stripVTControlCharacters } from 'node:util';
import type { Unfold } from '@unfold/client';
import type { MetricsResource } from '@unfold/contracts';
import { type Command, Option } from 'commander';
import { integer, names } from '../options/parsers.ts';
import { withExamples, withService } from '../options/shared.ts';
import { formatNumber } from '../output/format.ts';
import { print, printJson, tell } from '../output/print.ts';
import { styleOf } from '../output/style.ts';
import { type Column, drawTable } from '../output/table.ts';
import { findService, type ServiceOptions } from '../service-address.ts';
import { resolveJob } from './resolve-job.ts';

/** Rows of a table that a person reads. */
const standardPoints = 20;

interface MetricsCommandOptions extends ServiceOptions {
  names?: string[];
  afterStep?: number;
  points?: number;
  csv?: boolean;
}

/** The curves as a spreadsheet takes them: a column each, empty where there is no value at a step. Names hold no commas. */
const toCsv = ({ steps, series }: MetricsResource): string => {
  const curves = Object.values(series);
  const rows = steps.map((step, row) => [step, ...curves.map((values) => values[row] ?? '')].join(','));
  return [['step', ...Object.keys(series)].join(','), ...rows].join('\n');
};

/** Curves that a narrow terminal shows before all others. */
const foremost = ['loss', 'validation_loss'];

const columnsOf = ({ steps, series }: MetricsResource): Column<number>[] => [
  { name: 'step', right: true, cell: (row) => formatNumber(steps[row]!) },
  ...[...foremost, ...Object.keys(series).filter((name) => !foremost.includes(name))].flatMap(
    (name, index): Column<number>[] => {
      const values = series[name];
      if (values === undefined) return [];
      const cell = (row: number): string =>
        values[row] === null ? '' : String(Number(values[row]!.toPrecision(4)));
      return [{ name, right: true, cell, ...(index > 0 && { spare: index }) }];
    },
  ),
];

/** Told, not refused: a run that has just begun has no validation yet. */
const tellMissing = async (unfold: Unfold, id: string, { series }: MetricsResource): Promise<void> => {
  const missing = Object.keys(series).filter((name) => series[name]!.every((value) => value === null));
  if (missing.length === 0) return;
  const all = await unfold.jobs.metrics(id, { points: 2 });
  const there = Object.keys(all.series).join(', ') || 'no curve yet';
  tell(`No points of ${missing.join(', ')}. The job has ${there}.`);
};

/** The table, and on stderr what had no room in it. */
const printTable = (metrics: MetricsResource): void => {
  const { stdout } = process;
  const table = drawTable([...metrics.steps.keys()], columnsOf(metrics), {
    style: styleOf(stdout),
    ...(stdout.isTTY && { columns: stdout.columns }),
  });
  print(table.join('\n'));
  const shown = stripVTControlCharacters(table[0]!).split(/\s+/);
  const left = Object.keys(metrics.series).filter((name) => !shown.includes(name.toUpperCase()));
  if (left.length > 0) tell(`No room for ${left.join(', ')}: --names chooses.`);
  if (metrics.downsampled) tell('Thinned out; --csv prints every point.');
};

const showMetrics = async (
  reference: string,
  { names, afterStep, points, csv = false, ...service }: MetricsCommandOptions,
): Promise<void> => {
  const unfold = await findService(service);
  const { id } = await resolveJob(unfold, reference);
  const most = points ?? (csv || service.json ? undefined : standardPoints);
  const metrics = await unfold.jobs.metrics(id, { names, afterStep, points: most });
  if (names !== undefined) await tellMissing(unfold, id, metrics);
  if (service.json) return printJson(metrics);
  if (csv) return print(toCsv(metrics));
  if (metrics.steps.length > 0) printTable(metrics);
  else if (names === undefined) tell('No points yet.');
};

/** `unfold metrics` */
export const addMetricsCommand = (program: Command): void => {
  withExamples(
    withService(program.command('metrics'))
      .argument('<job>', "a job's id, or its name (the newest of that name)")
      .description('Prints curves.')
      .option('--names <names>', 'only these curves, such as loss,validation_loss', names)
      .option('--after-step <step>', 'only points after it', integer(0, Number.MAX_SAFE_INTEGER))
      .option(
        '--points <number>',
        `at most so many of each curve (a table ${standardPoints}, --csv and --json all)`,
        integer(2, 100_000),
      )
      .addOption(new Option('--csv', 'print comma-separated values').conflicts('json'))
      .action(showMetrics),
    'unfold metrics moby-dick',
    'unfold metrics moby-dick --names loss,validation_loss --csv > curves.csv',
  );
};
