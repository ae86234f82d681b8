import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** The numbers behind `/metrics`, one registry per server. */
export interface ApiMetrics {
  registry: Registry;
  requestSeconds: Histogram<'method' | 'route' | 'status'>;
  errors: Counter<'status' | 'code'>;
  sockets: Gauge<'route'>;
  followers: Gauge<'state'>;
  eventLagSeconds: Histogram;
  inferenceTokens: Counter<'kind'>;
  inferenceRunning: Gauge;
  /** Choices that one step of a batch brings text for. */
  inferenceRows: Histogram;
  modelMemoryBytes: Gauge;
  modelsLoaded: Gauge;
  inferenceRestarts: Counter;
  sessions: Gauge;
  sessionsBusy: Counter;
  sessionsExpired: Counter;
  queueJobs: Gauge<'status'>;
  jobs: Gauge<'status'>;
  longestWaitSeconds: Gauge;
  webhookAttempts: Counter<'outcome'>;
  webhooksPending: Gauge;
}

const seconds = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

export const createMetrics = (): ApiMetrics => {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  return {
    registry,
    requestSeconds: new Histogram({
      name: 'unfold_http_request_seconds',
      help: 'Time from a request to the end of its answer.',
      labelNames: ['method', 'route', 'status'],
      buckets: seconds,
      registers,
    }),
    errors: new Counter({
      name: 'unfold_http_errors_total',
      help: 'Refusals, by status and by the code in the envelope.',
      labelNames: ['status', 'code'],
      registers,
    }),
    sockets: new Gauge({
      name: 'unfold_sockets',
      help: 'Open WebSockets and event streams.',
      labelNames: ['route'],
      registers,
    }),
    followers: new Gauge({
      name: 'unfold_stream_followers',
      help: 'Followers of jobs, by whether they are live or catching up from the log.',
      labelNames: ['state'],
      registers,
    }),
    eventLagSeconds: new Histogram({
      name: 'unfold_event_lag_seconds',
      help: 'Age of an event when it is handed to live followers.',
      buckets: seconds,
      registers,
    }),
    inferenceTokens: new Counter({
      name: 'unfold_inference_tokens_total',
      help: 'Tokens read (prompt) and written (completion).',
      labelNames: ['kind'],
      registers,
    }),
    inferenceRows: new Histogram({
      name: 'unfold_inference_batch_rows',
      help: 'Choices that one step of a model in an inference thread advances together.',
      buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256, 512],
      registers,
    }),
    modelMemoryBytes: new Gauge({
      name: 'unfold_model_memory_bytes',
      help: 'Memory of loaded models, over all inference threads.',
      registers,
    }),
    modelsLoaded: new Gauge({
      name: 'unfold_models_loaded',
      help: 'Models that the inference threads hold; one in two threads counts twice.',
      registers,
    }),
    inferenceRunning: new Gauge({
      name: 'unfold_inference_running',
      help: 'Inference calls in the threads.',
      registers,
    }),
    inferenceRestarts: new Counter({
      name: 'unfold_inference_thread_restarts_total',
      help: 'Inference threads that died and were started again.',
      registers,
    }),
    sessions: new Gauge({
      name: 'unfold_sessions',
      help: 'Sessions that have not expired, of all keys.',
      registers,
    }),
    sessionsBusy: new Counter({
      name: 'unfold_sessions_busy_total',
      help: 'Completions that were refused because another one was using their session.',
      registers,
    }),
    sessionsExpired: new Counter({
      name: 'unfold_sessions_expired_total',
      help: 'Expired sessions that this process swept.',
      registers,
    }),
    queueJobs: new Gauge({
      name: 'unfold_queue_jobs',
      help: 'Deliveries that the queue holds, by state.',
      labelNames: ['status'],
      registers,
    }),
    longestWaitSeconds: new Gauge({
      name: 'unfold_longest_wait_seconds',
      help: 'How long the longest queued job has waited; 0 when none waits.',
      registers,
    }),
    jobs: new Gauge({
      name: 'unfold_jobs',
      help: 'Unfinished jobs, by status.',
      labelNames: ['status'],
      registers,
    }),
    webhooksPending: new Gauge({
      name: 'unfold_webhooks_pending',
      help: 'Deliveries of webhooks that wait for an attempt, of enabled endpoints, in all processes together.',
      registers,
    }),
    webhookAttempts: new Counter({
      name: 'unfold_webhook_attempts_total',
      help: 'Attempts to deliver a webhook, by what became of the delivery: delivered, retry, failed, gone.',
      labelNames: ['outcome'],
      registers,
    }),
  };
};
