import { type ApiClient, createApiClient } from './api-client.ts';
import { CommandError } from './command-error.ts';
import { configFor, type PlaceOptions } from './up-command.ts';
import { findUp } from './up-file.ts';

export interface AddressOptions extends Pick<PlaceOptions, 'dataDir'> {
  url?: string;
}

export interface GenerateOptions extends AddressOptions {
  context?: string;
  maxTokens?: number;
  temperature?: number;
  seed?: number;
  session?: string;
}

/** The service that was named, or the one that runs in the data folder. */
export const findService = async (options: AddressOptions): Promise<ApiClient> => {
  const { dataDir, adminKey } = configFor(options);
  const url = options.url ?? (await findUp(dataDir))?.url;
  if (url) return createApiClient(url.replace(/\/$/, ''), adminKey);
  throw new CommandError(
    `No service runs in ${dataDir}. Start one with \`unfold up\`, or name one with --url.`,
  );
};

/** A list is written as JSON; everything else is text as it stands. */
const listOrText = (text: string, what: string): unknown => {
  if (!text.trimStart().startsWith('[')) return text;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new CommandError(`Expected ${what} to be text, or a list as JSON, but received ${text}.`);
  }
};

/** `unfold generate`: prints text as it is generated. */
export const generate = async (
  model: string,
  prompt: string | undefined,
  options: GenerateOptions,
): Promise<void> => {
  const { context, maxTokens, temperature, seed, session } = options;
  const api = await findService(options);
  const request = {
    model,
    prompt: prompt ?? '',
    context: context === undefined ? null : listOrText(context, '--context'),
    max_tokens: maxTokens,
    temperature,
    seed,
    session,
  };
  for await (const text of api.complete(request)) process.stdout.write(text);
  process.stdout.write('\n');
};

/** `unfold predict`: prints one answer a line, as JSON. */
export const predict = async (model: string, input: string, options: AddressOptions): Promise<void> => {
  const api = await findService(options);
  const { data } = await api.predict(model, listOrText(input, 'the input'));
  for (const prediction of data) console.log(JSON.stringify(prediction));
};
