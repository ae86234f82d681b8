import { ConfigError, faultSignals, readConfig } from '@unfold/config';
import { openQueue } from '@unfold/queue';
import { openStore } from '@unfold/store';
import { openTracing } from '@unfold/telemetry';
import closeWithGrace from 'close-with-grace';
import { buildApi } from './app.ts';
import { createLog } from './log.ts';

/** Longer than the server waits for its requests. */
const deadlineMs = 20_000;

const requireDatabaseUrl = (databaseUrl: string | null): string => {
  if (databaseUrl !== null) return databaseUrl;
  throw new Error(
    'DATABASE_URL is not set: expected the address of a PostgreSQL server. ' +
      'Without one, `npm start` (unfold up) runs an embedded server and gives its address to this process.',
  );
};

const run = async (): Promise<void> => {
  const config = readConfig();
  const log = createLog(config);
  const databaseUrl = requireDatabaseUrl(config.databaseUrl);
  const store = await openStore({
    databaseUrl,
    artifactsDir: config.artifactsDir,
    connections: config.limits.databaseConnections,
    queueDepth: config.limits.queueDepth,
    encryptionKey: config.encryptionKey,
    sessionLimits: { perKey: config.limits.sessionsPerKey, snapshots: config.limits.snapshotsPerSession },
    log: (message) => log.info(message),
  });
  const queue = await openQueue({
    redisUrl: config.redisUrl,
    databaseUrl,
    log: (level, message, error) => log[level]({ err: error }, message),
  });
  const tracing = await openTracing({ exporter: config.tracing, service: 'unfold-api' });
  const app = await buildApi({ config, store, queue, log, tracing });

  let stopping = false;
  const shutdown = closeWithGrace(
    { delay: deadlineMs, logger: log, skip: [...faultSignals] },
    async ({ signal, err }) => {
      stopping = true;
      if (err) log.fatal({ err }, 'an error that nobody caught');
      else log.info({ signal }, 'stopping');
      await app.close();
      await queue.close();
      await store.close();
      await tracing.close();
      log.info('stopped');
    },
  );
  // Started by `unfold up`: if that process is killed, this one stops in good order.
  process.once('disconnect', () => stopping || shutdown.close());
  const address = await app.listen({ host: config.host, port: config.port });
  log.info({ address }, 'listening');
};

run().catch((error: unknown) => {
  // Before the log is there, and for people: one readable message, no stack.
  console.error(
    error instanceof ConfigError ? error.message : `The API cannot start: ${(error as Error).message}`,
  );
  process.exit(1);
});
