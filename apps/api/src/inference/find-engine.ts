import { type BackendName, createBackend } from '@unfold/rnn/engines';
import type { FastifyBaseLogger } from 'fastify';

/** Too slow a token at a time, and without the promise of equal bits that sessions rest upon: for training alone. */
const trainingEngines: readonly BackendName[] = ['tfjs'];

/**
 * The engine that every inference thread will use, so that one that is missing is told once. Where the configuration names one for training alone, models
 * are served by the fastest of the others.
 * @throws if the configuration names one that is not there
 */
export const findEngine = async (
  wanted: BackendName,
  log: Pick<FastifyBaseLogger, 'warn'>,
): Promise<BackendName> => {
  const engine = trainingEngines.includes(wanted) ? 'auto' : wanted;
  const backend = await createBackend(engine, { threads: 1, warn: (message) => log.warn(message) });
  backend.close();
  return backend.describe().name as BackendName;
};
