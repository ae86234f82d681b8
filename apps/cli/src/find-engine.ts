import type { Config } from '@unfold/config';
import { createBackend, EngineUnavailableError } from '@unfold/kernels';
import { CommandError } from './command-error.ts';

/**
 * The engine of all processes that this one starts: one that is missing is told once, and here, where somebody reads.
 * @throws {CommandError} if the configuration names one that is not there
 */
export const findEngine = async (
  config: Pick<Config, 'engine'>,
  log: (message: string) => void,
): Promise<string> => {
  try {
    const backend = await createBackend(config.engine, { threads: 1, warn: log });
    backend.close();
    return backend.describe().name;
  } catch (error) {
    if (error instanceof EngineUnavailableError) throw new CommandError(`UNFOLD_ENGINE: ${error.message}`);
    throw error;
  }
};
