import type { CheckpointResource } from '@unfold/contracts';
import type { Command } from 'commander';
import { withExamples, withService } from '../options/shared.ts';
import { formatAge, formatBytes, formatNumber } from '../output/format.ts';
import { printJson, printList } from '../output/print.ts';
import { styleOf } from '../output/style.ts';
import type { Column } from '../output/table.ts';
import { findService, type ServiceOptions } from '../service-address.ts';
import { resolveJob } from './resolve-job.ts';

const columns = (now: number): Column<CheckpointResource>[] => [
  { name: 'checkpoint', cell: ({ id }) => id },
  { name: 'step', right: true, cell: ({ step }) => formatNumber(step) },
  { name: 'validation', right: true, cell: ({ validation_loss: loss }) => loss?.toFixed(3) ?? '' },
  { name: '', cell: ({ best }) => (best ? styleOf(process.stdout).green('best') : '') },
  { name: 'size', right: true, cell: ({ bytes }) => formatBytes(bytes), spare: 2 },
  { name: 'created', cell: ({ created_at }) => formatAge(Date.parse(created_at), now), spare: 1 },
];

const listCheckpoints = async (reference: string, service: ServiceOptions): Promise<void> => {
  const unfold = await findService(service);
  const { id } = await resolveJob(unfold, reference);
  const page = await unfold.jobs.checkpoints(id, { limit: 100 });
  if (service.json) printJson(page);
  else printList(page.data, columns(Date.now()), { none: 'No checkpoints yet.' });
};

/** `unfold checkpoints` */
export const addCheckpointsCommand = (program: Command): void => {
  withExamples(
    withService(program.command('checkpoints'))
      .argument('<job>', "a job's id, or its name (the newest of that name)")
      .description('Lists what a job has kept, newest first; each can be used as a model.')
      .action(listCheckpoints),
    'unfold checkpoints moby-dick',
    'unfold generate $(unfold checkpoints moby-dick --json | jq -r .data[0].id) "Call me "',
  );
};
