import type { WorkerResource } from '@unfold/contracts';
import type { Command } from 'commander';
import { withExamples, withService } from '../options/shared.ts';
import { formatAge } from '../output/format.ts';
import { printList } from '../output/print.ts';
import { styleOf } from '../output/style.ts';
import type { Column } from '../output/table.ts';
import { findService, type ServiceOptions } from '../service-address.ts';
import { collect } from './collect.ts';

const columns = (now: number): Column<WorkerResource>[] => [
  {
    name: 'status',
    cell: ({ status }) => (status === 'busy' ? styleOf(process.stdout).cyan(status) : status),
  },
  { name: 'host', cell: ({ host }) => host },
  { name: 'pid', right: true, cell: ({ pid }) => String(pid) },
  { name: 'device', cell: ({ device }) => device },
  { name: 'engines', cell: ({ engines }) => engines.join(' ') },
  { name: 'job', cell: ({ job_id: job }) => job ?? '' },
  { name: 'started', cell: ({ started_at }) => formatAge(Date.parse(started_at), now), spare: 1 },
  { name: 'what it is', cell: ({ description }) => description, spare: 2 },
];

const listWorkers = async (service: ServiceOptions): Promise<void> => {
  const unfold = await findService(service);
  printList(await collect(unfold.workers.all(), 10_000), columns(Date.now()), {
    json: service.json,
    none: 'No worker runs: jobs wait. `unfold up` starts one.',
  });
};

/** `unfold workers` */
export const addWorkerCommand = (program: Command): void => {
  withExamples(
    withService(program.command('workers')).description('Lists the running workers.').action(listWorkers),
    'unfold workers',
    'unfold workers --json | jq -r .data[].device',
  );
};
