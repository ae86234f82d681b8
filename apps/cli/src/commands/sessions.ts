import type { SessionResource, SnapshotResource } from '@unfold/contracts';
import type { Command } from 'commander';
import { integer } from '../options/parsers.ts';
import { withExamples, withService } from '../options/shared.ts';
import { formatAge, formatNumber } from '../output/format.ts';
import { print, printJson, printList } from '../output/print.ts';
import type { Column } from '../output/table.ts';
import { findService, type ServiceOptions } from '../service-address.ts';
import { collect } from './collect.ts';

const columns = (now: number): Column<SessionResource>[] => [
  { name: 'session', cell: ({ id }) => id },
  { name: 'model', cell: ({ model }) => model },
  { name: 'tokens', right: true, cell: ({ tokens }) => formatNumber(tokens) },
  { name: 'used', cell: ({ last_used_at }) => formatAge(Date.parse(last_used_at), now), spare: 1 },
  { name: 'expires', cell: ({ expires_at }) => expires_at.replace(/\.\d+Z$/, 'Z'), spare: 2 },
];

interface ListOptions extends ServiceOptions {
  model?: string;
  limit: number;
}

const listSessions = async ({ model, limit, ...service }: ListOptions): Promise<void> => {
  const unfold = await findService(service);
  printList(await collect(unfold.sessions.all({ model }), limit), columns(Date.now()), {
    json: service.json,
    none: 'No sessions. Begin one with `unfold sessions create MODEL`.',
  });
};

/** The id alone, for scripts. */
const printSession = (session: SessionResource, { json }: ServiceOptions): void =>
  json ? printJson(session) : print(session.id);

const createSession = async (model: string, service: ServiceOptions): Promise<void> =>
  printSession(await (await findService(service)).sessions.create({ model }), service);

const forkSession = async (id: string, service: ServiceOptions): Promise<void> =>
  printSession(await (await findService(service)).sessions.fork(id), service);

const snapshotColumns = (now: number): Column<SnapshotResource>[] => [
  { name: 'snapshot', cell: ({ id }) => id },
  { name: 'tokens', right: true, cell: ({ tokens }) => formatNumber(tokens) },
  { name: 'created', cell: ({ created_at }) => formatAge(Date.parse(created_at), now), spare: 1 },
];

const snapshotSession = async (id: string, service: ServiceOptions): Promise<void> => {
  const snapshot = await (await findService(service)).sessions.snapshots(id).create();
  if (service.json) printJson(snapshot);
  else print(snapshot.id);
};

const listSnapshots = async (id: string, service: ServiceOptions): Promise<void> => {
  const page = await (await findService(service)).sessions.snapshots(id).list({ limit: 100 });
  if (service.json) printJson(page);
  else printList(page.data, snapshotColumns(Date.now()), { none: 'No snapshots.' });
};

const restoreSession = async (id: string, snapshot: string, service: ServiceOptions): Promise<void> =>
  printSession(await (await findService(service)).sessions.restore(id, snapshot), service);

const deleteSession = async (id: string, service: ServiceOptions): Promise<void> => {
  const deleted = await (await findService(service)).sessions.delete(id);
  if (service.json) printJson(deleted);
};

/** `unfold sessions` */
export const addSessionCommands = (program: Command): void => {
  const sessions = program
    .command('sessions')
    .description('Lists, begins, forks and forgets what models remember.');
  const model = "a model's name or id, or a checkpoint's id";
  withService(sessions.command('list', { isDefault: true }))
    .option('--model <model>', model)
    .option('--limit <number>', 'at most so many', integer(1, 100_000), 20)
    .description('Lists your sessions, newest first (default).')
    .action(listSessions);
  withService(sessions.command('create'))
    .argument('<model>', model)
    .description('Begins a session and prints its id.')
    .action(createSession);
  withService(sessions.command('fork'))
    .argument('<session>', 'its id')
    .description('Prints the id of another session at the same point.')
    .action(forkSession);
  withService(sessions.command('snapshot'))
    .argument('<session>', 'its id')
    .description('Keeps the point where a session is, and prints the id of the snapshot.')
    .action(snapshotSession);
  withService(sessions.command('snapshots'))
    .argument('<session>', 'its id')
    .description('Lists the points of a session that are kept, newest first.')
    .action(listSnapshots);
  withService(sessions.command('restore'))
    .argument('<session>', 'its id')
    .argument('<snapshot>', "a snapshot's id")
    .description('Goes back to a snapshot.')
    .action(restoreSession);
  withService(sessions.command('delete'))
    .argument('<session>', 'its id')
    .description('Forgets a session.')
    .action(deleteSession);
  withExamples(
    sessions,
    'SESSION=$(unfold sessions create moby-dick)',
    'unfold generate moby-dick "Call me " --session $SESSION',
    'OTHER=$(unfold sessions fork $SESSION)',
    'POINT=$(unfold sessions snapshot $SESSION) && unfold sessions restore $SESSION $POINT',
    'unfold sessions list --model moby-dick',
  );
};
