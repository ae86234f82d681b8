import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { type Config, isLoopback } from '@unfold/config';
import { CommandError } from './command-error.ts';

/**
 * The API refuses to listen where other machines reach it while nobody has a key. A new data folder holds none, so this
 * says so before a database is made there.
 * @throws {CommandError} naming the variables to set
 */
export const refuseOpenAddress = async (
  config: Pick<Config, 'host' | 'adminKey' | 'databaseUrl' | 'dataDir'>,
): Promise<void> => {
  if (isLoopback(config.host) || config.adminKey !== null || config.databaseUrl !== null) return;
  const made = await access(join(config.dataDir, 'postgres')).then(
    () => true,
    () => false,
  );
  if (made) return;
  throw new CommandError(
    `HOST is "${config.host}", which other machines can reach, but there is no API key. ` +
      'Set UNFOLD_ADMIN_KEY (for example to the output of `openssl rand -hex 32`), or listen on 127.0.0.1.',
  );
};
