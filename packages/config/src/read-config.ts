import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Environment, environment, secretVariables, type VariableName } from './environment.ts';
import { nearest } from './nearest.ts';

export interface Limits {
  uploadBytes: number;
  bodyBytes: number;
  queueDepth: number;
  sockets: number;
  subscriptionsPerSocket: number;
  requestsPerMinute: number;
  /** Of one completion that is held as a whole. */
  answerTokens: number;
  inferenceQueue: number;
  modelMemoryBytes: number;
  prefixCacheBytes: number;
  modelParameters: number;
  sequenceLength: number;
  safetensorsHeaderBytes: number;
  sessionsPerKey: number;
  snapshotsPerSession: number;
  sessionSeconds: number;
  databaseConnections: number;
  /** Of one project. */
  webhookEndpoints: number;
}

/** How webhooks are delivered. */
export interface WebhookConfig {
  /** Lower case, each with or without a port: may be private, and reached over http. */
  privateHosts: string[];
  attempts: number;
  /** Deliveries at once, per API process. */
  concurrency: number;
  logDays: number;
}

/** What a process is told from outside. Paths are absolute; `null` is "not given". */
export interface Config {
  host: string;
  /** 0 takes any free port. */
  port: number;
  dataDir: string;
  artifactsDir: string;
  /** null: an embedded server in `dataDir`. */
  databaseUrl: string | null;
  /** null: the queue lives in PostgreSQL. */
  redisUrl: string | null;
  adminKey: string | null;
  /** What a client asks, without a slash at its end; null: the service of the data folder. */
  url: string | null;
  /** What a client shows; null: the admin key, if there is one. */
  apiKey: string | null;
  /** Encrypts secrets that the database holds; null: they are stored as they are. */
  encryptionKey: string | null;
  /** Lower case, each with or without a port; loopback names are always allowed beside them. */
  allowedHosts: string[];
  allowedOrigins: string[];
  logLevel: Environment['LOG_LEVEL'];
  engine: Environment['UNFOLD_ENGINE'];
  device: Environment['UNFOLD_DEVICE'];
  /** Threads that a worker computes with; null: one per processor. */
  threads: number | null;
  /** Bytes of a GPU that a job may take; null: as many as there are. */
  deviceMemory: number | null;
  /** Where traces are sent; null: nowhere. */
  tracing: { endpoint: string; headers: Record<string, string> } | null;
  /** Where a worker serves its metrics; null: nowhere. */
  metricsPort: number | null;
  /** How long a stopping worker may take to write its checkpoint and hand its job back. */
  shutdownGraceSeconds: number;
  /** How long a run waits for room on a full disk before it fails. */
  storagePatienceSeconds: number;
  /** Null: one per processor, at most 4. */
  inferenceThreads: number | null;
  webhooks: WebhookConfig;
  /** What holds for keys that say nothing else; null: no limit. */
  keyLimits: {
    tokensPerMinute: number | null;
    concurrentJobs: number | null;
    storedBytes: number | null;
  };
  limits: Limits;
}

export interface ConfigProblem {
  variable: string;
  expected: string;
  /** What came instead; a secret is never repeated. */
  received: string;
}

/** Lists every problem of the environment at once, so that one restart mends them all. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    const lines = problems.map(
      ({ variable, expected, received }) => `  ${variable}: expected ${expected}, but received ${received}`,
    );
    super(`The environment cannot be used:\n${lines.join('\n')}`);
    this.problems = problems;
  }
}

type Given = Partial<Record<string, string>>;

const isSecret = (name: string): boolean => secretVariables.some((secret) => secret === name);

const show = (name: string, value: string | undefined): string => {
  if (value === undefined) return 'nothing';
  if (isSecret(name)) return 'something else (not shown, since it may be secret)';
  return JSON.stringify(value.length > 80 ? `${value.slice(0, 77)}…` : value);
};

/** Blank counts as unset: compose files and shells pass `NAME=` for what nobody chose. */
const withoutBlanks = (env: NodeJS.ProcessEnv): Given =>
  Object.fromEntries(
    Object.entries(env)
      .map(([name, value]) => [name, value?.trim() ?? ''] as const)
      .filter(([, value]) => value !== ''),
  );

const readSecretFile = (name: VariableName, given: Given, problems: ConfigProblem[]): void => {
  const variable = `${name}_FILE`;
  const path = given[variable];
  if (path === undefined) return;
  if (given[name] !== undefined) {
    problems.push({ variable, expected: `only one of ${name} and ${variable}`, received: 'both' });
    return;
  }
  try {
    const content = readFileSync(path, 'utf8').trim();
    if (content === '')
      problems.push({ variable, expected: 'a file with content', received: 'an empty one' });
    else given[name] = content;
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? String(error);
    problems.push({ variable, expected: 'a readable file', received: `${JSON.stringify(path)} (${reason})` });
  }
};

/** A mistyped limit would silently not limit, so every `UNFOLD_` name must be one that is read. */
const findUnknown = (given: Given): ConfigProblem[] => {
  const known = [...Object.keys(environment.shape), ...secretVariables.map((name) => `${name}_FILE`)];
  return Object.keys(given)
    .filter((name) => name.startsWith('UNFOLD_') && !name.startsWith('UNFOLD_TEST_') && !known.includes(name))
    .map((name) => {
      const meant = nearest(name, known);
      const received = meant === null ? 'one' : `one: did you mean ${meant}?`;
      return { variable: name, expected: 'no variable of this name', received };
    });
};

const toHeaders = (text: string | null): Record<string, string> =>
  Object.fromEntries((text?.split(',') ?? []).map((entry) => entry.split(/=(.*)/s).slice(0, 2)));

const toConfig = (values: Environment): Config => ({
  host: values.HOST,
  port: values.PORT,
  dataDir: values.UNFOLD_DATA_DIR,
  artifactsDir: join(values.UNFOLD_DATA_DIR, 'artifacts'),
  databaseUrl: values.DATABASE_URL,
  redisUrl: values.REDIS_URL,
  adminKey: values.UNFOLD_ADMIN_KEY,
  url: values.UNFOLD_URL?.replace(/\/+$/, '') ?? null,
  apiKey: values.UNFOLD_API_KEY,
  encryptionKey: values.UNFOLD_ENCRYPTION_KEY,
  allowedHosts: values.UNFOLD_ALLOWED_HOSTS,
  allowedOrigins: values.UNFOLD_ALLOWED_ORIGINS,
  logLevel: values.LOG_LEVEL,
  engine: values.UNFOLD_ENGINE,
  device: values.UNFOLD_DEVICE,
  threads: values.UNFOLD_THREADS,
  deviceMemory: values.UNFOLD_MAX_DEVICE_MEMORY_BYTES,
  tracing:
    values.OTEL_EXPORTER_OTLP_ENDPOINT === null
      ? null
      : {
          endpoint: values.OTEL_EXPORTER_OTLP_ENDPOINT,
          headers: toHeaders(values.OTEL_EXPORTER_OTLP_HEADERS),
        },
  metricsPort: values.UNFOLD_METRICS_PORT,
  shutdownGraceSeconds: values.UNFOLD_SHUTDOWN_GRACE_SECONDS,
  storagePatienceSeconds: values.UNFOLD_STORAGE_PATIENCE_SECONDS,
  inferenceThreads: values.UNFOLD_INFERENCE_THREADS,
  webhooks: {
    privateHosts: values.UNFOLD_WEBHOOK_PRIVATE_HOSTS,
    attempts: values.UNFOLD_WEBHOOK_ATTEMPTS,
    concurrency: values.UNFOLD_WEBHOOK_CONCURRENCY,
    logDays: values.UNFOLD_WEBHOOK_LOG_DAYS,
  },
  keyLimits: {
    tokensPerMinute: values.UNFOLD_MAX_TOKENS_PER_MINUTE,
    concurrentJobs: values.UNFOLD_MAX_CONCURRENT_JOBS,
    storedBytes: values.UNFOLD_MAX_STORED_BYTES,
  },
  limits: {
    uploadBytes: values.UNFOLD_MAX_UPLOAD_BYTES,
    bodyBytes: values.UNFOLD_MAX_BODY_BYTES,
    queueDepth: values.UNFOLD_MAX_QUEUE_DEPTH,
    sockets: values.UNFOLD_MAX_SOCKETS,
    subscriptionsPerSocket: values.UNFOLD_MAX_SUBSCRIPTIONS_PER_SOCKET,
    requestsPerMinute: values.UNFOLD_MAX_REQUESTS_PER_MINUTE,
    answerTokens: values.UNFOLD_MAX_ANSWER_TOKENS,
    inferenceQueue: values.UNFOLD_MAX_INFERENCE_QUEUE,
    modelMemoryBytes: values.UNFOLD_MAX_MODEL_MEMORY_BYTES,
    prefixCacheBytes: values.UNFOLD_MAX_PREFIX_CACHE_BYTES,
    modelParameters: values.UNFOLD_MAX_MODEL_PARAMETERS,
    sequenceLength: values.UNFOLD_MAX_SEQUENCE_LENGTH,
    safetensorsHeaderBytes: values.UNFOLD_MAX_SAFETENSORS_HEADER_BYTES,
    sessionsPerKey: values.UNFOLD_MAX_SESSIONS_PER_KEY,
    snapshotsPerSession: values.UNFOLD_MAX_SNAPSHOTS_PER_SESSION,
    sessionSeconds: values.UNFOLD_MAX_SESSION_SECONDS,
    databaseConnections: values.UNFOLD_MAX_DATABASE_CONNECTIONS,
    webhookEndpoints: values.UNFOLD_MAX_WEBHOOK_ENDPOINTS,
  },
});

/**
 * Reads the whole configuration. Secrets may come from `<NAME>_FILE`; blank variables count as unset.
 * @throws {ConfigError} naming every variable that is wrong, unknown (`UNFOLD_…`) or contradictory
 */
export const readConfig = (env: NodeJS.ProcessEnv = process.env): Config => {
  const given = withoutBlanks(env);
  const problems: ConfigProblem[] = findUnknown(given);
  for (const name of secretVariables) readSecretFile(name, given, problems);
  const parsed = environment.safeParse(given);
  for (const issue of parsed.error?.issues ?? []) {
    const variable = String(issue.path[0]);
    problems.push({ variable, expected: issue.message, received: show(variable, given[variable]) });
  }
  if (!parsed.success || problems.length > 0) throw new ConfigError(problems);
  return toConfig(parsed.data);
};
