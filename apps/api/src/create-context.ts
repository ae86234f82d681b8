import type { ApiContext } from './context.ts';
import { createDataChecks } from './inference/data-checks.ts';
import { createInferencePool } from './inference/inference-pool.ts';
import { createModelDirectory } from './inference/model-directory.ts';
import { standardThreads } from './inference/standard-threads.ts';
import { createJobIntake } from './jobs/job-intake.ts';
import { createKnownFiles } from './jobs/known-files.ts';
import { startReconciler } from './jobs/reconciler.ts';
import { createRateLimits } from './limits/rate-limits.ts';
import { createFollowerHub } from './live/follower-hub.ts';
import { createOpenSockets } from './live/open-sockets.ts';
import { createProjectWatchers } from './live/project-watchers.ts';
import { createMetrics } from './metrics.ts';
import { startPeriodicWork } from './periodic-work.ts';
import { createKeyGate } from './plugins/api-keys.ts';
import { createSessionLeases } from './sessions/session-leases.ts';
import { startSender } from './webhooks/sender.ts';

type Given = Pick<ApiContext, 'config' | 'store' | 'queue' | 'log' | 'timings' | 'closing' | 'tracing'>;
type Engine = Parameters<typeof createInferencePool>[0]['data']['engine'];

/** Makes the parts that routes share, and starts those that work by themselves. `stop` ends them. */
export const createContext = (
  given: Given,
  engine: Engine,
): { context: ApiContext; stop: () => Promise<void> } => {
  const { config, store, queue, log, timings, tracing } = given;
  const metrics = createMetrics();
  const hub = createFollowerHub({ store, queue, metrics, log, headsMs: timings.headsMs });
  const watchers = createProjectWatchers({ store, hub, log, listMs: 2 * timings.headsMs });
  const sockets = createOpenSockets({ limit: config.limits.sockets, metrics, pingMs: timings.pingMs });
  const threads = config.inferenceThreads ?? standardThreads();
  const inference = createInferencePool({
    threads,
    limit: config.limits.inferenceQueue,
    memoryBytes: config.limits.modelMemoryBytes,
    data: { engine, cache_bytes: Math.floor(config.limits.prefixCacheBytes / threads) },
    metrics,
    tracing,
    log,
  });
  const sessionLeases = createSessionLeases({ store, metrics, log, leaseMs: timings.leaseMs });
  const files = createKnownFiles(store);
  const sweeper = startPeriodicWork({
    name: 'sweeping what has expired',
    work: async () => {
      metrics.sessionsExpired.inc(await store.sessions.removeExpired());
      if ((await store.files.removeExpired()) > 0) files.forget();
    },
    everyMs: timings.reconcileMs,
    log,
  });
  const reconciler = startReconciler({ store, queue, log, everyMs: timings.reconcileMs });
  const webhooks = startSender({
    store,
    metrics,
    log,
    config: config.webhooks,
    pollMs: timings.webhookPollMs,
    timeoutMs: timings.webhookTimeoutMs,
    firstRetryMs: timings.webhookRetryMs,
    patienceMs: timings.patienceMs,
  });
  const rates = createRateLimits({ redisUrl: config.redisUrl, log });
  const stop = async (): Promise<void> => {
    rates.close();
    watchers.close();
    hub.close();
    // What was streamed until now is committed before the threads that know the state end.
    await sessionLeases.settled(timings.patienceMs);
    await Promise.all([
      reconciler.stop(),
      sweeper.stop(),
      webhooks.stop(),
      inference.close(),
      sockets.closeAll(),
    ]);
  };
  const context = {
    ...given,
    metrics,
    hub,
    watchers,
    sockets,
    inference,
    models: createModelDirectory(store),
    files,
    jobIntake: createJobIntake(store, queue),
    webhooks,
    sessionLeases,
    dataChecks: createDataChecks((task) => inference.check(task, given.closing)),
    vocabularies: createDataChecks(({ spec, data, validation }) => {
      const paths = { data: data.path, validation: validation?.path ?? null };
      return inference.count({ spec, ...paths, mostBytes: Number.POSITIVE_INFINITY }, given.closing);
    }),
    gate: createKeyGate(config, store),
    rates,
  };
  return { context, stop };
};
