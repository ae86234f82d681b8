import './small-heap.ts';
import { ConfigError, faultSignals, readConfig } from '@unfold/config';
import { UnfoldError } from '@unfold/contracts';
import { openQueue } from '@unfold/queue';
import { EngineUnavailableError } from '@unfold/rnn/engines';
import { openStore } from '@unfold/store';
import { openTracing } from '@unfold/telemetry';
import closeWithGrace from 'close-with-grace';
import { createLogger, queueLog } from './log.ts';
import { createMetrics, serveMetrics, type WorkerMetrics } from './metrics.ts';
import { findOwnDevice } from './own-device.ts';
import { createPersist } from './persist.ts';
import { startWorker } from './worker.ts';

const usageExit = 2;

const readConfigOrExit = () => {
  try {
    const config = readConfig();
    if (config.databaseUrl !== null) return { ...config, databaseUrl: config.databaseUrl };
    console.error(
      'A worker needs DATABASE_URL. To run everything on one machine with an embedded database: unfold up.',
    );
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    console.error(error.message);
  }
  process.exit(usageExit);
};

const config = readConfigOrExit();
const log = createLogger(config);

/** A worker whose numbers cannot be asked still trains: another one on this machine may have the port. */
const openMetrics = async (metrics: WorkerMetrics) => {
  if (config.metricsPort === null) return null;
  try {
    const server = await serveMetrics(metrics, { host: config.host, port: config.metricsPort });
    log.info({ host: config.host, port: server.port }, 'Prometheus can ask for metrics.');
    return server;
  } catch (error) {
    log.warn({ err: error }, `UNFOLD_METRICS_PORT ${config.metricsPort} cannot be listened on.`);
    return null;
  }
};

const givenUp = new AbortController();

const start = async () => {
  const { databaseUrl, redisUrl, artifactsDir } = config;
  const connections = config.limits.databaseConnections;
  const own = await findOwnDevice(config, (message) => log.warn(message));
  // A worker may start before what it needs, or while that is away: it waits, as it does in the middle of a run.
  const patiently = createPersist(log, givenUp.signal);
  const store = await patiently('open the store', () =>
    openStore({ databaseUrl, artifactsDir, connections }),
  );
  const queue = await patiently('open the queue', () =>
    openQueue({ databaseUrl, redisUrl, log: queueLog(log) }),
  );
  const tracing = await openTracing({ exporter: config.tracing, service: 'unfold-worker' });
  const metrics = createMetrics();
  const metricsServer = await openMetrics(metrics);
  const onDeviceLost = (): void => {
    deviceLost = true;
    if (!stopping) shutdown.close();
  };
  const worker = await startWorker({ config, store, queue, log, metrics, tracing, own, onDeviceLost });
  log.info(own, 'The worker is ready.');
  return { store, queue, worker, metricsServer, tracing };
};

const started = start();

let stopping = false;
/** Drivers seldom give a process its GPU back: a new one is started by whoever keeps this one running, and looks what is there. */
let deviceLost = false;

// A second signal ends the process at once, and so does the end of the grace period: the job then goes on from its
// newest checkpoint when its lock has run out.
const shutdown = closeWithGrace(
  {
    delay: config.shutdownGraceSeconds * 1000,
    logger: { error: (message) => log.error(message) },
    skip: [...faultSignals],
  },
  async ({ err, signal }) => {
    stopping = true;
    givenUp.abort();
    if (err) log.fatal({ err }, 'The worker met an unexpected error.');
    else if (deviceLost) log.fatal('The GPU was lost: this worker ends, to be started anew.');
    else log.info({ signal }, 'The worker is stopping.');
    const services = await started.catch(() => null);
    if (!services || err) return;
    await services.worker.stop();
    await services.queue.close();
    await services.store.close();
    await services.metricsServer?.close();
    await services.tracing.close();
    log.info('The worker has stopped.');
    if (deviceLost) process.exit(1);
  },
);

try {
  await started;
  process.send?.({ type: 'ready' });
  // Started by `unfold up`: if that process is killed, this one stops in good order.
  if (process.send) process.once('disconnect', () => stopping || shutdown.close());
} catch (error) {
  // Stopped while it waited: that is no failure.
  if (stopping) process.exit(0);
  const known =
    error instanceof UnfoldError || error instanceof EngineUnavailableError ? error.message : undefined;
  log.fatal({ err: error }, known ?? 'The worker could not start.');
  process.exit(1);
}
