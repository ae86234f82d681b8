import { type Config, createRedactor } from '@unfold/config';
import type { Log } from '@unfold/queue';
import { type Logger, pino } from 'pino';

/** The worker's log: JSON lines, secrets replaced by `[redacted]` wherever they stand. */
export const createLogger = (
  config: Pick<Config, 'logLevel' | 'adminKey' | 'databaseUrl' | 'redisUrl'>,
): Logger =>
  pino({
    level: config.logLevel,
    base: { process: 'worker', pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    hooks: { streamWrite: createRedactor(config) },
  });

/** The queue's reports as log lines. */
export const queueLog =
  (log: Logger): Log =>
  (level, message, error) =>
    log[level](error === undefined ? {} : { err: error }, message);
