import { type Config, faultSignals } from '@unfold/config';
import closeWithGrace from 'close-with-grace';
import { messageOf } from './command-error.ts';
import { configFor, type PlaceOptions } from './options/config-for.ts';
import { requirePort } from './ports.ts';
import { createService, type Service } from './service.ts';
import { alreadyServed, findUp } from './up-file.ts';

export interface UpOptions extends PlaceOptions {
  workers: number;
  gpu?: boolean;
  json?: boolean;
}

/**
 * Stops the service in good order at the first signal, at once at the second.
 * @param before what else must be done first
 */
export const stopOnSignals = (service: Service, config: Config, before?: () => Promise<void>): void => {
  closeWithGrace(
    {
      delay: (config.shutdownGraceSeconds + 60) * 1000,
      logger: { error: (message) => console.error(messageOf(message)) },
      onSecondSignal: () => service.kill(),
      skip: [...faultSignals],
    },
    async ({ err }) => {
      if (err) console.error(err);
      await before?.();
      await service.stop();
    },
  );
};

/**
 * Starts the service; if that fails, stops what is running already and throws why.
 * @returns false if it was stopped meanwhile
 */
export const startOrStop = async (service: Service): Promise<boolean> => {
  try {
    return await service.start();
  } catch (error) {
    await service.stop();
    throw error;
  }
};

/** `unfold up`: serves until a signal ends it. */
export const up = async ({ workers, gpu = false, json = false, ...place }: UpOptions): Promise<void> => {
  const config = configFor(place);
  const other = await findUp(config.dataDir);
  if (other) throw alreadyServed(config.dataDir, other);
  const port = await requirePort(config.host, config.port);
  const log = (message: string): void => console.error(message);
  const service = createService({ config, port, workers, gpu, output: 'terminal', log });
  stopOnSignals(service, config, async () => log('Stopping: workers, API, database.'));
  // A signal came first: its handler ends the process.
  if (!(await startOrStop(service))) return;
  if (json) return console.log(JSON.stringify({ url: service.url, data_dir: config.dataDir, workers, gpu }));
  console.log(
    [
      `Unfold serves at ${service.url}`,
      `  page      ${service.url}/`,
      `  API page  ${service.url}/docs`,
      `  data      ${config.dataDir}`,
      `  workers   ${workers}${gpu ? ' and one with the GPU' : ''}`,
      'Stop with Ctrl-C.',
    ].join('\n'),
  );
};
