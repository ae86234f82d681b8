import { type ConnectionState, type Unfold, UnfoldError } from '@unfold/client';
import type { JobResource } from '@unfold/contracts';
import type { Command } from 'commander';
import { CommandError } from '../command-error.ts';
import { exitCodes } from '../exit-codes.ts';
import { interruption } from '../interruption.ts';
import { connectionLost } from '../live/curve.ts';
import { drawRun } from '../live/draw-run.ts';
import { followRun, titleOf } from '../live/follow-run.ts';
import { createPictureInPlace } from '../live/picture-in-place.ts';
import { createView, jsonView } from '../live/views.ts';
import { withExamples, withService } from '../options/shared.ts';
import { print, printJson, tell } from '../output/print.ts';
import { styleOf } from '../output/style.ts';
import { drawTable } from '../output/table.ts';
import { findService, type ServiceOptions } from '../service-address.ts';
import { requireSuccess } from '../train/train-command.ts';
import { jobColumns } from './job-columns.ts';
import { resolveJob, resolveJobs } from './resolve-job.ts';

const refreshMs = 1000;
const redrawMs = 500;

/** One job, as `train` shows it, but on stdout: here it is the result. */
const watchOne = async (
  unfold: Unfold,
  reference: string,
  json: boolean,
  signal: AbortSignal,
): Promise<void> => {
  const job = await resolveJob(unfold, reference);
  const view = json ? jsonView() : createView(process.stdout, drawRun);
  const ended = await followRun(unfold, job, view, { title: titleOf(job), signal });
  requireSuccess(ended.job);
};

/** The rows of the table, as fresh as the service tells them. */
const createRows = (unfold: Unfold, only: readonly string[], signal: AbortSignal) => {
  const rows = new Map<string, JobResource>();
  const isWanted = (id: string): boolean => only.length === 0 || only.includes(id);
  const refresh = async (id: string): Promise<void> => {
    try {
      rows.set(id, await unfold.jobs.get(id, { signal }));
    } catch (error) {
      // Deleted meanwhile; when the service is away, the last that was known stays.
      if (error instanceof UnfoldError && error.status === 404) rows.delete(id);
    }
  };
  return {
    isWanted,
    refresh,
    take: (jobs: readonly JobResource[]) => {
      for (const job of jobs) if (isWanted(job.id)) rows.set(job.id, job);
    },
    /** Progress is told by no status frame. */
    refreshUnfinished: async () => {
      await Promise.all(
        [...rows.values()].filter(({ status }) => status === 'running').map(({ id }) => refresh(id)),
      );
    },
    all: () => [...rows.values()].sort((a, b) => (a.id < b.id ? 1 : -1)),
    areOver: () => only.length > 0 && only.every((id) => (rows.get(id)?.ended_at ?? null) !== null),
  };
};

const printStatus = (at: string | null, job: string, status: string): void =>
  print(`${at}  ${job}  ${status}`);

/** Every status frame, until those that were named have ended, or Ctrl-C. */
const watchMany = async (
  unfold: Unfold,
  references: readonly string[],
  json: boolean,
  signal: AbortSignal,
): Promise<void> => {
  const named = await resolveJobs(unfold, references);
  // A socket is tried again and again; a service that was never there is told of here.
  if (named.length === 0) await unfold.jobs.list({ limit: 1, signal });
  const rows = createRows(
    unfold,
    named.map(({ id }) => id),
    signal,
  );
  rows.take(named);
  const { stdout } = process;
  const live = stdout.isTTY && !json;
  const place = createPictureInPlace(stdout);
  const style = styleOf(stdout);
  let lost = false;
  const draw = (): void => {
    const shown = rows.all().slice(0, Math.max(1, (stdout.rows ?? 24) - (lost ? 3 : 2)));
    const table = drawTable(shown, jobColumns(style, Date.now()), { style, columns: stdout.columns });
    place.draw([...table, ...(lost ? [style.yellow(connectionLost)] : [])].join('\n'));
  };
  const onConnection = (state: ConnectionState): void => {
    if (state === 'lost' && !lost && !live) tell(connectionLost);
    if (state !== 'connecting') lost = state === 'lost';
  };
  const timers = live ? [setInterval(draw, redrawMs), setInterval(rows.refreshUnfinished, refreshMs)] : [];
  try {
    if (rows.areOver() && json) printJson({ type: 'snapshot', jobs: rows.all() });
    else if (rows.areOver() && !live)
      for (const job of rows.all()) printStatus(job.ended_at, job.id, job.status);
    const messages = rows.areOver() ? [] : unfold.watch({ signal, onConnection });
    for await (const message of messages) {
      if (message.type === 'snapshot') rows.take(message.jobs);
      else if ('seq' in message && rows.isWanted(message.job_id)) {
        await rows.refresh(message.job_id);
        if (message.type === 'status' && !live && !json)
          printStatus(message.at, message.job_id, message.status);
      } else continue;
      if (json) printJson(message);
      if (live) draw();
      if (rows.areOver()) break;
    }
  } finally {
    timers.forEach(clearInterval);
    if (live) {
      draw();
      place.done();
    }
  }
  for (const job of rows.all()) requireSuccess(job);
};

const watch = async (references: string[], { json = false, ...service }: ServiceOptions): Promise<void> => {
  const signal = interruption();
  const unfold = await findService(service);
  try {
    const [first] = references;
    if (references.length === 1 && first !== undefined) await watchOne(unfold, first, json, signal);
    else await watchMany(unfold, references, json, signal);
  } catch (error) {
    // What is watched goes on; there is nothing to say about it.
    throw signal.aborted ? new CommandError('', exitCodes.interrupted) : error;
  }
};

/** `unfold watch` */
export const addWatchCommand = (program: Command): void => {
  withExamples(
    withService(program.command('watch'))
      .argument('[job...]', "jobs' ids or names; none: all")
      .description('Shows jobs live.')
      .addHelpText(
        'after',
        `
Ends with the jobs that were named: with 0 if they succeeded, with 3 if one failed or was cancelled. Ctrl-C ends only
the watching, with 130. With --json every frame is a line.`,
      )
      .action(watch),
    'unfold watch',
    'unfold watch moby-dick',
    'unfold watch moby-dick --json | jq -c \'select(.type == "metric") | [.step, .values.loss]\'',
  );
};
