import { type DestinationStream, type Logger, pino } from 'pino';

/** Header and field names whose values never reach the log. */
const secrets = [
  'authorization',
  'key',
  'secret',
  'secrets',
  'config.encryptionKey',
  'adminKey',
  'req.headers.authorization',
  'req.headers["sec-websocket-protocol"]',
  'headers.authorization',
  'headers["sec-websocket-protocol"]',
  'config.adminKey',
  'config.databaseUrl',
  'config.redisUrl',
];

/** The API's log: JSON lines, secrets replaced by `[redacted]`. */
export const createLog = (level: string, destination?: DestinationStream): Logger =>
  pino(
    { name: 'unfold-api', level, redact: { paths: secrets, censor: '[redacted]' } },
    destination ?? pino.destination(1),
  );
