import type { Unfold } from '@unfold/client';
import type { JobResource, JobSpecInput } from '@unfold/contracts';
import { type Command, Option } from 'commander';
import { CommandError } from '../command-error.ts';
import { exitCodes } from '../exit-codes.ts';
import { interruption } from '../interruption.ts';
import type { Picture } from '../live/curve.ts';
import { drawRun } from '../live/draw-run.ts';
import { followRun, titleOf } from '../live/follow-run.ts';
import { createView, jsonView } from '../live/views.ts';
import { labels, several } from '../options/parsers.ts';
import { withExamples, withService } from '../options/shared.ts';
import { formatDuration } from '../output/format.ts';
import { print, printJson, tell } from '../output/print.ts';
import { styleOf, styleStatus } from '../output/style.ts';
import { type Upload, withUploads } from '../output/upload-file.ts';
import { findService, type ServiceOptions } from '../service-address.ts';
import type { SpecSources } from './build-spec.ts';
import { describeEstimate } from './describe-estimate.ts';
import { withSpecOptions } from './spec-options.ts';

interface TrainOptions extends ServiceOptions, Omit<SpecSources, keyof ServiceOptions> {
  validation?: string;
  detach?: boolean;
  dryRun?: boolean;
  sweep?: string[];
}

/** What the service thinks is probably not meant. */
const tellWarning = (warning: string): void => tell(`${styleOf(process.stderr).yellow('!')} ${warning}`);

const reference = ({ id, name }: JobResource): string => name ?? id;

/** How a run ended, on one line. */
export const describeEnd = (job: JobResource, { losses, validationLosses }: Picture): string => {
  const style = styleOf(process.stderr);
  const { status, progress } = job;
  const [loss, validation] = [losses.at(-1), validationLosses.at(-1)];
  return [
    styleStatus(style, status),
    ...(progress.seconds ? [`trained ${formatDuration(progress.seconds)}`] : []),
    ...(loss === undefined ? [] : [`loss ${loss.toFixed(3)}`]),
    ...(validation === undefined ? [] : [`validation ${validation.toFixed(3)}`]),
  ].join(' · ');
};

/** What became of a job, as the end of a command. @throws CommandError unless it succeeded */
export const requireSuccess = (job: JobResource): void => {
  if (job.status === 'succeeded') return;
  const why = job.error === null ? '' : `: ${job.error.message}`;
  throw new CommandError(
    `${reference(job)} ${job.status === 'failed' ? 'failed' : 'was cancelled'}${why}`,
    exitCodes.jobFailed,
  );
};

/** Uploads what the options name, and asks the service with the spec that they mean. */
const submit = async <T>(
  unfold: Unfold,
  path: string | undefined,
  options: TrainOptions,
  signal: AbortSignal,
  { ask, keep }: { ask: (spec: JobSpecInput) => Promise<T>; keep: boolean },
): Promise<T> => {
  const { buildSpec } = await import('./build-spec.ts');
  const draft = await buildSpec(options);
  const source = path ?? draft.file;
  if (source === undefined)
    throw new CommandError('Expected a FILE to train on, or a spec that names one.', exitCodes.usage);
  try {
    const { validation } = options;
    const post = async (upload: Upload): Promise<T> => {
      const file = await upload(source, 'training');
      const held =
        validation === undefined ? {} : { validation_file: await upload(validation, 'validation') };
      return ask({ ...draft, file, ...held });
    };
    return await withUploads(unfold, post, { signal, keep });
  } catch (error) {
    if (!signal.aborted) throw error;
    throw new CommandError('Interrupted: no job was posted.', exitCodes.interrupted);
  }
};

const follow = async (
  unfold: Unfold,
  job: JobResource,
  json: boolean,
  signal: AbortSignal,
): Promise<void> => {
  const view = json ? jsonView() : createView(process.stderr, drawRun);
  const ended = await followRun(unfold, job, view, { title: titleOf(job), signal }).catch((error) => {
    if (!signal.aborted) throw error;
    const name = reference(job);
    throw new CommandError(
      `detached; ${name} goes on.\n  unfold watch ${name}    looks at it again\n  unfold cancel ${name}   ends it`,
      exitCodes.interrupted,
    );
  });
  requireSuccess(ended.job);
  if (json) return printJson(ended.job);
  tell(`\n${describeEnd(ended.job, ended.picture)}`);
  if (process.stdout.isTTY && job.spec.task === 'language_model')
    tell(`Let it write: unfold generate ${job.name ?? ended.job.model_id}`);
  print(ended.job.model_id ?? '');
};

/** Posts all runs of a sweep, whose curves are looked at together. */
const trainAll = async (
  unfold: Unfold,
  path: string | undefined,
  options: TrainOptions,
  signal: AbortSignal,
): Promise<void> => {
  const { expandSweep } = await import('./sweep.ts');
  const ask = (spec: JobSpecInput) =>
    unfold.jobs.createMany(expandSweep({ ...spec }, options.sweep ?? []), { signal });
  const jobs = await submit(unfold, path, options, signal, { ask, keep: true });
  if (options.json) return printJson({ object: 'list', data: jobs });
  for (const warning of new Set(jobs.flatMap(({ warnings }) => warnings))) tellWarning(warning);
  tell(
    `Posted ${jobs.length}. \`unfold jobs\` lists them, \`unfold watch\` shows them, and so does the page.`,
  );
  print(jobs.map(({ id }) => id).join('\n'));
};

/** `unfold train`: uploads, posts, follows; the result is the model's id, or of `--dry-run` what it would take. */
const train = async (path: string | undefined, options: TrainOptions): Promise<void> => {
  const signal = interruption();
  const unfold = await findService(options);
  const { json = false } = options;
  if (options.dryRun) {
    const ask = (spec: JobSpecInput) => unfold.jobs.estimate(spec, { signal });
    const estimate = await submit(unfold, path, options, signal, { ask, keep: false });
    return json ? printJson(estimate) : print(describeEstimate(estimate));
  }
  if (options.sweep) return trainAll(unfold, path, options, signal);
  const ask = (spec: JobSpecInput) => unfold.jobs.create(spec, { signal });
  const job = await submit(unfold, path, options, signal, { ask, keep: true });
  job.warnings.forEach(tellWarning);
  if (!options.detach) return follow(unfold, job, json, signal);
  if (json) return printJson(job);
  tell(`Posted. \`unfold watch ${reference(job)}\` shows it.`);
  print(job.id);
};

/** `unfold train` */
export const addTrainCommand = (program: Command): void => {
  const command = withSpecOptions(
    program
      .command('train')
      .argument('[path]', 'the data, or the id of an uploaded file; may be left out where --spec names one')
      .description('Trains a network on a file.'),
  )
    .option('--validation <path>', 'validate on this file instead of a part of the data')
    .option('--label <key=value>', 'a label of your own; several times', labels)
    .option('--set <field=value>', 'any field of the spec by its path; several times', several)
    .addOption(
      new Option(
        '--sweep <field=values>',
        'a run for each of these values, parted by commas; several times: for each combination',
      )
        .argParser(several)
        .conflicts('dryRun'),
    )
    .option('--spec <path>', 'a JSON file with a spec to begin with')
    .addOption(new Option('-d, --detach', "print the job's id and do not wait").conflicts('dryRun'))
    .option('--dry-run', 'post nothing: print what the run would take');
  withExamples(
    withService(command).action(train),
    'unfold train moby-dick.txt --name moby-dick --hidden-size 512 --epochs 5',
    'unfold train names.jsonl --task conditional_generation --cell gru --set model.length=bernoulli',
    'unfold train series.csv --task forecasting --set series.columns=[1,2] --set training.clip.norm=1',
    'JOB=$(unfold train moby-dick.txt --detach) && unfold watch $JOB',
    'unfold train --spec job.json --seed 7',
    'unfold train moby-dick.txt --hidden-size 2048 --layers 3 --dry-run',
    'unfold train moby-dick.txt --name sweep --sweep lr=0.001,0.003,0.01 --sweep model.num_layers=1,2',
  );
  command.addHelpText(
    'after',
    `
Every field of the spec is reached by --set; the README of the project and the API page list them. Values are read
as JSON where they are JSON. A sweep posts all its runs at once, labelled with their values, prints their ids and does not wait. Ctrl-C detaches: the job goes on, and the command ends with 130. It ends with 3 if the
job fails or is cancelled.
`,
  );
};
