import { Unfold } from '@unfold/client';
import { CommandError } from './command-error.ts';
import { exitCodes } from './exit-codes.ts';

export interface ServiceOptions {
  url?: string;
  key?: string;
  dataDir?: string;
  json?: boolean;
}

/** Loaded only where it is needed, since it takes the database along. */
const urlOf = async (dataDir: string): Promise<string | null | undefined> =>
  (await (await import('./up-file.ts')).findUp(dataDir))?.url;

/** The service that was named, or the one that runs in the data folder. @throws CommandError if there is none */
export const findService = async (
  options: ServiceOptions,
  { maxRetries }: { maxRetries?: number } = {},
): Promise<Unfold> => {
  const { configFor } = await import('./options/config-for.ts');
  const config = configFor(options);
  if (options.url !== undefined && !(/^https?:\/\//.test(options.url) && URL.canParse(options.url)))
    throw new CommandError(
      `--url: expected an address such as http://127.0.0.1:8080, but received "${options.url}".`,
      exitCodes.usage,
    );
  const baseUrl = options.url ?? config.url ?? (await urlOf(config.dataDir));
  if (baseUrl)
    return new Unfold({ baseUrl, apiKey: options.key ?? config.apiKey ?? config.adminKey, maxRetries });
  throw new CommandError(
    `No service runs in ${config.dataDir}. Start one with \`unfold up\`, or name one with --url.`,
    exitCodes.unreachable,
  );
};
