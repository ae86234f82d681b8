import type { JobListOptions } from '@unfold/client';
import { type Command, Option } from 'commander';
import { jobStatuses } from '../options/choices.ts';
import { integer, labels } from '../options/parsers.ts';
import { withExamples, withService } from '../options/shared.ts';
import { print, printJson, printList } from '../output/print.ts';
import { styleOf, styleStatus } from '../output/style.ts';
import { findService, type ServiceOptions } from '../service-address.ts';
import { collect } from './collect.ts';
import { jobColumns } from './job-columns.ts';
import { resolveJobs } from './resolve-job.ts';

interface ListOptions extends ServiceOptions {
  status?: JobListOptions['status'];
  label?: Record<string, string>;
  limit: number;
}

const listJobs = async ({ status, label, limit, ...service }: ListOptions): Promise<void> => {
  const unfold = await findService(service);
  const jobs = await collect(unfold.jobs.all({ status, metadata: label }), limit);
  printList(jobs, jobColumns(styleOf(process.stdout), Date.now()), {
    json: service.json,
    none: 'No jobs. Post one with `unfold train FILE`.',
  });
};

type Action = 'pause' | 'resume' | 'cancel';

interface ActionOptions extends ServiceOptions {
  epochs?: number;
  steps?: number;
}

/** Asks the same of several jobs, and tells what each is then. */
const ask =
  (action: Action) =>
  async (references: string[], { epochs, steps, ...service }: ActionOptions): Promise<void> => {
    const unfold = await findService(service);
    const jobs = await resolveJobs(unfold, references);
    const changes = {
      ...(epochs !== undefined && { epochs }),
      ...(steps !== undefined && { max_steps: steps }),
    };
    const answered = [];
    for (const { id } of jobs) {
      const job = await (action === 'resume' ? unfold.jobs.resume(id, changes) : unfold.jobs[action](id));
      answered.push(job);
      if (service.json) continue;
      const soon = job.requested === null ? '' : `, will ${job.requested}`;
      print(`${job.id}  ${styleStatus(styleOf(process.stdout), job.status)}${soon}`);
    }
    if (service.json) printJson({ object: 'list', data: answered, has_more: false });
  };

const deleteJobs = async (references: string[], service: ServiceOptions): Promise<void> => {
  const unfold = await findService(service);
  const deleted = [];
  for (const { id } of await resolveJobs(unfold, references)) {
    deleted.push(await unfold.jobs.delete(id));
    if (!service.json) print(`${id}  deleted`);
  }
  if (service.json) printJson({ object: 'list', data: deleted, has_more: false });
};

const jobArgument = ['<job...>', "jobs' ids, or names (the newest of a name)"] as const;

/** `unfold jobs`, `pause`, `resume`, `cancel` */
export const addJobCommands = (program: Command): void => {
  const jobs = program.command('jobs').description('Lists jobs, deletes finished ones.');
  withService(jobs.command('list', { isDefault: true }))
    .description('Lists training jobs, newest first (default).')
    .addOption(new Option('--status <status>', 'only jobs with this status').choices(jobStatuses))
    .option('--label <key=value>', 'only jobs with this label; several times', labels)
    .option('--limit <number>', 'at most so many', integer(1, 100_000), 20)
    .action(listJobs);
  withService(jobs.command('delete'))
    .argument(...jobArgument)
    .description('Deletes finished jobs with their events and checkpoints; published models stay.')
    .action(deleteJobs);
  withExamples(
    jobs,
    'unfold jobs',
    'unfold jobs --status running',
    'unfold jobs --label team=seals --limit 100 --json',
    'unfold jobs delete moby-dick',
  );

  withExamples(
    withService(program.command('pause'))
      .argument(...jobArgument)
      .description('Pauses jobs at a checkpoint.')
      .action(ask('pause')),
    'unfold pause moby-dick',
  );
  withExamples(
    withService(program.command('resume'))
      .argument(...jobArgument)
      .description('Goes on with jobs.')
      .option('--epochs <number>', 'train for so many epochs in all', integer(1, 100_000))
      .option('--steps <number>', 'train for so many steps in all', integer(1, 1_000_000_000))
      .action(ask('resume')),
    'unfold resume moby-dick',
    'unfold resume moby-dick --epochs 20',
  );
  withExamples(
    withService(program.command('cancel'))
      .argument(...jobArgument)
      .description('Ends jobs.')
      .action(ask('cancel')),
    'unfold cancel moby-dick',
    'unfold jobs --status queued --json | jq -r .data[].id | xargs unfold cancel',
  );
};
