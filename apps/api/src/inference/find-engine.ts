import { type BackendName, createBackend } from '@unfold/rnn';
import type { FastifyBaseLogger } from 'fastify';

/**
 * The engine that every inference thread will use, so that one that is missing is told once.
 * @throws if the configuration names one that is not there
 */
export const findEngine = async (
  wanted: BackendName,
  log: Pick<FastifyBaseLogger, 'warn'>,
): Promise<BackendName> => {
  const backend = await createBackend(wanted, { threads: 1, warn: (message) => log.warn(message) });
  backend.close();
  return backend.describe().name as BackendName;
};
