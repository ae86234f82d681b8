import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** The numbers of one worker. Nothing is labelled by job: their number has no bound. */
export interface WorkerMetrics {
  registry: Registry;
  /** From joining the queue to the claim. */
  pickUpSeconds: Histogram;
  attempts: Counter<'outcome'>;
  attemptSeconds: Histogram<'outcome'>;
  busy: Gauge;
  tokens: Counter;
  steps: Counter;
  checkpoints: Counter;
  checkpointBytes: Counter;
}

export const createMetrics = (): WorkerMetrics => {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  return {
    registry,
    pickUpSeconds: new Histogram({
      name: 'unfold_worker_pick_up_seconds',
      help: 'Time that jobs waited in the queue before this worker took them.',
      buckets: [0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5, 30, 60, 300, 1800, 7200, 43_200],
      registers,
    }),
    attempts: new Counter({
      name: 'unfold_worker_attempts_total',
      help: 'Attempts that ended, by the status that the job then had; fenced: another worker owns it.',
      labelNames: ['outcome'],
      registers,
    }),
    attemptSeconds: new Histogram({
      name: 'unfold_worker_attempt_seconds',
      help: 'How long attempts took.',
      labelNames: ['outcome'],
      buckets: [1, 5, 15, 60, 300, 900, 3600, 14_400, 43_200, 86_400],
      registers,
    }),
    busy: new Gauge({
      name: 'unfold_worker_busy',
      help: '1 while a job is being trained.',
      registers,
    }),
    tokens: new Counter({
      name: 'unfold_worker_tokens_total',
      help: 'Tokens trained on: the rate is the speed of training.',
      registers,
    }),
    steps: new Counter({
      name: 'unfold_worker_steps_total',
      help: 'Optimizer steps.',
      registers,
    }),
    checkpoints: new Counter({
      name: 'unfold_worker_checkpoints_total',
      help: 'Checkpoints that runs produced.',
      registers,
    }),
    checkpointBytes: new Counter({
      name: 'unfold_worker_checkpoint_bytes_total',
      help: 'Bytes of the checkpoints that runs produced.',
      registers,
    }),
  };
};

/** Serves `/metrics`, and nothing else, until closed. Rejects if the port is taken. */
export const serveMetrics = async (
  { registry }: Pick<WorkerMetrics, 'registry'>,
  address: { host: string; port: number },
): Promise<{ port: number; close(): Promise<void> }> => {
  const server = createServer((request, response) => {
    if (request.method !== 'GET' || request.url !== '/metrics') {
      response.writeHead(404).end();
      return;
    }
    registry.metrics().then(
      (text) => response.writeHead(200, { 'content-type': registry.contentType }).end(text),
      () => response.writeHead(500).end(),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(address.port, address.host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
};
