import type { SystemResource } from '@unfold/contracts';
import type { Command } from 'commander';
import { withExamples, withService } from '../options/shared.ts';
import { formatBytes, formatDuration, formatNumber } from '../output/format.ts';
import { namedLines } from '../output/named-lines.ts';
import { print, printJson } from '../output/print.ts';
import { findService, type ServiceOptions } from '../service-address.ts';

const stored = ({ count, bytes }: { count: number; bytes: number }): string =>
  `${formatNumber(count)}, ${formatBytes(bytes)}`;

const describeQueue = ({ waiting, longest_wait_seconds: longest }: SystemResource['queue']): string =>
  waiting === 0 ? 'empty' : `${formatNumber(waiting)} waiting, the first for ${formatDuration(longest)}`;

const describe = ({ jobs, queue, storage, disk, limits, ...system }: SystemResource): string =>
  namedLines([
    ['jobs', `${jobs.running} running, ${jobs.queued} queued, ${jobs.paused} paused`],
    ['queue', describeQueue(queue)],
    ...(['files', 'checkpoints', 'models', 'sessions'] as const).map(
      (kind) => [kind, stored(storage[kind])] as const,
    ),
    ['database', formatBytes(system.database_bytes)],
    [
      'disk',
      disk === null ? 'unknown' : `${formatBytes(disk.free_bytes)} free of ${formatBytes(disk.total_bytes)}`,
    ],
    [
      'at most',
      `${formatBytes(limits.upload_bytes)} an upload, ${formatNumber(limits.model_parameters)} parameters, sequences of ${formatNumber(limits.sequence_length)}`,
    ],
    ['you may', system.scopes.join(', ')],
  ]);

const showSystem = async (service: ServiceOptions): Promise<void> => {
  const system = await (await findService(service)).system();
  if (service.json) printJson(system);
  else print(describe(system));
};

/** `unfold system` */
export const addSystemCommand = (program: Command): void => {
  withExamples(
    withService(program.command('system'))
      .description('Tells what the service keeps, how long its queue is, and what it takes at most.')
      .action(showSystem),
    'unfold system',
    'unfold system --json | jq .disk.free_bytes',
  );
};
