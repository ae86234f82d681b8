import { type Config, createRedactor } from '@unfold/config';
import { type DestinationStream, type Logger, pino } from 'pino';

type LogConfig = Pick<Config, 'logLevel'> & Partial<Pick<Config, 'adminKey' | 'databaseUrl' | 'redisUrl'>>;

/** The API's log: JSON lines, secrets replaced by `[redacted]` wherever they stand. */
export const createLog = (config: LogConfig, destination?: DestinationStream): Logger =>
  pino(
    { name: 'unfold-api', level: config.logLevel, hooks: { streamWrite: createRedactor(config) } },
    destination ?? pino.destination(1),
  );
