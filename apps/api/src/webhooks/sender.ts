import { setMaxListeners } from 'node:events';
import type { WebhookConfig } from '@unfold/config';
import type { ClaimedDelivery, Store } from '@unfold/store';
import type { FastifyBaseLogger } from 'fastify';
import type { ApiMetrics } from '../metrics.ts';
import { startPeriodicWork } from '../periodic-work.ts';
import { type AttemptOptions, attemptDelivery } from './attempt.ts';

export interface SenderOptions {
  store: Pick<Store, 'webhooks'>;
  config: WebhookConfig;
  metrics: Pick<ApiMetrics, 'webhookAttempts'>;
  log: Pick<FastifyBaseLogger, 'warn'>;
  /** Between looks for what is due. */
  pollMs: number;
  timeoutMs: number;
  firstRetryMs: number;
  /** How long attempts may take to end once the server stops. */
  patienceMs: number;
}

/** Delivers webhooks, beside any number of other processes that do the same. */
export interface Sender {
  /** Looks for what is due, now. */
  wake(): void;
  stop(): Promise<void>;
}

/** Longer than an attempt takes: after it a process counts as dead, and another makes the attempt again. */
const leaseMs = 60_000;
const pruneMs = 3_600_000;
/** Settled deliveries of one endpoint that are remembered. */
const keptPerEndpoint = 1000;

export const startSender = ({ store, config, metrics, log, ...times }: SenderOptions): Sender => {
  const perEndpoint = Math.max(1, Math.floor(config.concurrency / 4));
  const stopping = new AbortController();
  // Every attempt listens.
  setMaxListeners(0, stopping.signal);
  /** Attempts under way. */
  const running = new Set<{ endpoint: string; done: Promise<void> }>();

  const options: AttemptOptions = {
    privateHosts: config.privateHosts,
    attempts: config.attempts,
    timeoutMs: times.timeoutMs,
    firstRetryMs: times.firstRetryMs,
    stopping: stopping.signal,
  };

  const attempt = async (claimed: ClaimedDelivery): Promise<void> => {
    const { id, endpoint_id, attempts } = claimed;
    const outcome = await attemptDelivery(claimed, options);
    metrics.webhookAttempts.inc({ outcome: outcome.type });
    if (outcome.type === 'failed' || outcome.type === 'gone')
      log.warn(
        { delivery: id, endpoint: endpoint_id, attempts, reason: outcome.error },
        'a webhook was given up',
      );
    await store.webhooks.settle(claimed, outcome);
  };

  const begin = (claimed: ClaimedDelivery): void => {
    const entry = {
      endpoint: claimed.endpoint_id,
      done: attempt(claimed)
        .catch((error: unknown) => log.warn({ err: error }, 'what became of a webhook could not be noted'))
        .finally(() => {
          running.delete(entry);
          filling.wake();
        }),
    };
    running.add(entry);
  };

  /** By endpoint: a slow one must not take every place. */
  const attemptsUnderWay = (): Map<string, number> => {
    const counts = new Map<string, number>();
    for (const { endpoint } of running) counts.set(endpoint, (counts.get(endpoint) ?? 0) + 1);
    return counts;
  };

  const fill = async (): Promise<void> => {
    const free = config.concurrency - running.size;
    if (free <= 0) return;
    const claimed = await store.webhooks.claim({
      limit: free,
      per_endpoint: perEndpoint,
      running: attemptsUnderWay(),
      lease_ms: leaseMs,
    });
    for (const each of claimed) begin(each);
  };

  const filling = startPeriodicWork({ name: 'looking for webhooks', work: fill, everyMs: times.pollMs, log });
  const pruning = startPeriodicWork({
    name: 'forgetting old webhooks',
    work: async () => void (await store.webhooks.prune(config.logDays, keptPerEndpoint)),
    everyMs: pruneMs,
    log,
  });

  return {
    wake: filling.wake,
    async stop() {
      await Promise.all([filling.stop(), pruning.stop()]);
      const impatience = setTimeout(() => stopping.abort(), times.patienceMs);
      await Promise.all([...running].map(({ done }) => done));
      clearTimeout(impatience);
    },
  };
};
