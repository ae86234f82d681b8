import { type Config, createRedactor } from '@unfold/config';
import { type DestinationStream, type Logger, pino } from 'pino';

type LogConfig = Pick<Config, 'logLevel'> & Partial<Pick<Config, 'adminKey' | 'databaseUrl' | 'redisUrl'>>;

let output: DestinationStream | null = null;

/** Lines wait so long for others: a write costs more than a line does. */
const gatherMs = 10;

/** Standard output, to which lines that come together are written at once. Nothing is left behind at the end. */
const openOutput = (): DestinationStream => {
  const descriptor = pino.destination(1);
  let waiting = '';
  const flush = (): void => {
    const lines = waiting;
    waiting = '';
    if (lines !== '') descriptor.write(lines);
  };
  process.once('exit', flush);
  return {
    write(line) {
      if (waiting === '') setTimeout(flush, gatherMs);
      waiting += line;
    },
  };
};

const standardOutput = (): DestinationStream => {
  output ??= openOutput();
  return output;
};

/** The API's log: JSON lines, secrets replaced by `[redacted]` wherever they stand. */
export const createLog = (config: LogConfig, destination?: DestinationStream): Logger =>
  pino(
    {
      name: 'unfold-api',
      level: config.logLevel,
      timestamp: pino.stdTimeFunctions.isoTime,
      hooks: { streamWrite: createRedactor(config) },
    },
    destination ?? standardOutput(),
  );
