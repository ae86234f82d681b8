import { type ApiClient, type CompletionRequest, createApiClient } from './api-client.ts';
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
  topP?: number;
  topK?: number;
  seed?: number;
  session?: string;
  stop?: string[];
  n?: number;
  bestOf?: number;
  beamWidth?: number;
  frequencyPenalty?: number;
  presencePenalty?: number;
  logprobs?: number;
  echo?: boolean;
  json?: boolean;
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

const completionRequest = (model: string, prompt: string, options: GenerateOptions): CompletionRequest => ({
  model,
  prompt,
  context: options.context === undefined ? null : listOrText(options.context, '--context'),
  max_tokens: options.maxTokens,
  temperature: options.temperature,
  top_p: options.topP,
  top_k: options.topK,
  seed: options.seed,
  session: options.session,
  stop: options.stop,
  n: options.n,
  best_of: options.bestOf,
  beam_width: options.beamWidth,
  frequency_penalty: options.frequencyPenalty,
  presence_penalty: options.presencePenalty,
  logprobs: options.logprobs,
  echo: options.echo,
});

/** What is chosen among others is known at its end, and several texts at once would be mixed. */
const needsTheWhole = ({ json, n = 1, bestOf = 1, beamWidth }: GenerateOptions): boolean =>
  json === true || n > 1 || bestOf > 1 || beamWidth !== undefined;

/** `unfold generate`: prints text as it is generated; several texts one after another, a line with their number before each. */
export const generate = async (
  model: string,
  prompt: string | undefined,
  options: GenerateOptions,
): Promise<void> => {
  const api = await findService(options);
  const request = completionRequest(model, prompt ?? '', options);
  if (!needsTheWhole(options)) {
    for await (const text of api.stream(request)) process.stdout.write(text);
    process.stdout.write('\n');
    return;
  }
  const answer = await api.complete(request);
  if (options.json) return console.log(JSON.stringify(answer));
  for (const { index, text } of answer.choices)
    console.log(answer.choices.length > 1 ? `--- ${index + 1}\n${text}` : text);
};

/** `unfold predict`: prints one answer a line, as JSON. */
export const predict = async (model: string, input: string, options: AddressOptions): Promise<void> => {
  const api = await findService(options);
  const { data } = await api.predict(model, listOrText(input, 'the input'));
  for (const prediction of data) console.log(JSON.stringify(prediction));
};
