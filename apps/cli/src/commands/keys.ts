import type { KeyResource, KeyScope } from '@unfold/contracts';
import { type Command, Option } from 'commander';
import { keyScopes } from '../options/choices.ts';
import { integer } from '../options/parsers.ts';
import { withExamples, withService } from '../options/shared.ts';
import { formatAge } from '../output/format.ts';
import { print, printJson, printList, tell } from '../output/print.ts';
import type { Column } from '../output/table.ts';
import { findService, type ServiceOptions } from '../service-address.ts';
import { collect } from './collect.ts';

const columns = (now: number): Column<KeyResource>[] => [
  { name: 'key', cell: ({ id }) => id },
  { name: 'name', cell: ({ name }) => name },
  { name: 'project', cell: ({ project }) => project },
  { name: 'scopes', cell: ({ scopes }) => scopes.join(' ') },
  {
    name: 'last used',
    spare: 1,
    cell: ({ last_used_at: used }) => (used === null ? 'never' : formatAge(Date.parse(used), now)),
  },
  { name: 'created', cell: ({ created_at }) => formatAge(Date.parse(created_at), now), spare: 2 },
];

interface CreateOptions extends ServiceOptions {
  project?: string;
  scope?: KeyScope[];
  requestsPerMinute?: number;
  tokensPerMinute?: number;
  concurrentJobs?: number;
  storedBytes?: number;
}

/** Prints the secret alone on stdout, for scripts; it is shown this once. */
const createKey = async (name: string, options: CreateOptions): Promise<void> => {
  const { project, scope, requestsPerMinute, tokensPerMinute, concurrentJobs, storedBytes, ...service } =
    options;
  const unfold = await findService(service);
  const key = await unfold.keys.create({
    name,
    ...(project !== undefined && { project }),
    ...(scope !== undefined && { scopes: scope }),
    limits: {
      requests_per_minute: requestsPerMinute ?? null,
      tokens_per_minute: tokensPerMinute ?? null,
      concurrent_jobs: concurrentJobs ?? null,
      stored_bytes: storedBytes ?? null,
    },
  });
  if (service.json) return printJson(key);
  tell(
    `Key "${name}" (${key.id}) for ${key.scopes.join(', ')} in project ${key.project}. Keep it: it is shown once.`,
  );
  print(key.key ?? '');
};

const listKeys = async ({ limit, ...service }: ServiceOptions & { limit: number }): Promise<void> => {
  const unfold = await findService(service);
  printList(await collect(unfold.keys.all(), limit), columns(Date.now()), {
    json: service.json,
    none: 'No keys: whoever reaches the service may use it.',
  });
};

const deleteKeys = async (ids: string[], service: ServiceOptions): Promise<void> => {
  const unfold = await findService(service);
  const deleted = [];
  for (const id of ids) {
    deleted.push(await unfold.keys.delete(id));
    if (!service.json) print(`${id}  revoked`);
  }
  if (service.json) printJson({ object: 'list', data: deleted, has_more: false });
};

/** `unfold keys` */
export const addKeyCommands = (program: Command): void => {
  const keys = program.command('keys').description('Lists, creates and revokes API keys.');
  const most = Number.MAX_SAFE_INTEGER;
  withService(keys.command('list', { isDefault: true }))
    .description('Lists keys, newest first, without their secrets (default).')
    .option('--limit <number>', 'at most so many', integer(1, 100_000), 100)
    .action(listKeys);
  withService(keys.command('create'))
    .argument('<name>', 'what the key is for')
    .description('Creates a key and prints its secret, once.')
    .addOption(new Option('--scope <scope...>', 'what it may do (read, train, infer)').choices(keyScopes))
    .option('--project <project>', 'whose files, jobs and models it sees (default)')
    .option('--requests-per-minute <number>', 'limits requests', integer(0, most))
    .option('--tokens-per-minute <number>', 'limits tokens read and written by inference', integer(0, most))
    .option('--concurrent-jobs <number>', 'limits jobs that are queued or running', integer(0, most))
    .option('--stored-bytes <number>', 'limits what is stored', integer(0, most))
    .action(createKey);
  withService(keys.command('delete'))
    .argument('<key...>', 'their ids')
    .description('Revokes keys.')
    .action(deleteKeys);
  withExamples(
    keys,
    'UNFOLD_API_KEY=$(unfold keys create me --scope admin)   # the first one closes the service to all without',
    'unfold keys create dashboard --scope read',
    'unfold keys',
  );
};
