import { isAbsolute, resolve } from 'node:path';
import { z } from 'zod';

const KiB = 1024;
const MiB = 1024 * KiB;
const GiB = 1024 * MiB;

const integer = (minimum: number, maximum: number, standard: number, description: string) =>
  z
    .string()
    .refine(
      (text) => /^\d{1,16}$/.test(text) && Number(text) >= minimum && Number(text) <= maximum,
      `an integer from ${minimum} to ${maximum}`,
    )
    .transform(Number)
    .default(standard)
    .meta({ description });

const optionalInteger = (minimum: number, maximum: number, description: string) =>
  z
    .string()
    .refine(
      (text) => /^\d{1,16}$/.test(text) && Number(text) >= minimum && Number(text) <= maximum,
      `an integer from ${minimum} to ${maximum}`,
    )
    .transform(Number)
    .nullable()
    .default(null)
    .meta({ description });

const url = (protocols: readonly string[], example: string, description: string) =>
  z
    .string()
    .refine(
      (text) => protocols.includes(URL.canParse(text) ? new URL(text).protocol : ''),
      `a URL such as ${example} (special characters of a password percent-encoded)`,
    )
    .nullable()
    .default(null)
    .meta({ description });

const list = (each: (entry: string) => boolean, expected: string, description: string) =>
  z
    .string()
    .transform((text) => text.split(',').map((entry) => entry.trim().toLowerCase()))
    .transform((entries) => entries.filter((entry) => entry !== ''))
    .refine((entries) => entries.every(each), expected)
    .default([])
    .meta({ description });

const key = z
  .string()
  .regex(
    /^[A-Za-z0-9!#$%&'*+.^_`|~-]{16,200}$/,
    "16 to 200 letters, digits or any of !#$%&'*+-.^_`|~ (it travels in HTTP headers): try `openssl rand -hex 32`",
  )
  .nullable()
  .default(null);

const isHost = (entry: string): boolean => /^([a-z0-9._-]+|\[[0-9a-f:]+\])(:\d{1,5})?$/.test(entry);
const isOrigin = (entry: string): boolean =>
  /^https?:/.test(entry) && URL.canParse(entry) && new URL(entry).origin === entry;

/** The environment, variable by variable: what is read, its form, its default, its meaning. */
export const environment = z.object({
  HOST: z
    .string()
    .regex(/^[A-Za-z0-9._:-]+$/, 'a host name or an address to listen on, such as 127.0.0.1')
    .default('127.0.0.1')
    .meta({ description: 'Address the API listens on. Anything but loopback needs an API key.' }),
  PORT: integer(0, 65_535, 8080, 'Port the API listens on; 0 takes any free one.'),
  LOG_LEVEL: z
    .enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], {
      error: 'one of fatal, error, warn, info, debug, trace, silent',
    })
    .default('info')
    .meta({ description: 'Least severe log line that is written.' }),
  DATABASE_URL: url(
    ['postgres:', 'postgresql:'],
    'postgresql://user:password@host:5432/database',
    'PostgreSQL 18. Unset: an embedded server in the data folder.',
  ),
  REDIS_URL: url(
    ['redis:', 'rediss:'],
    'redis://:password@host:6379/0',
    'Redis for the queue. Unset: the queue lives in PostgreSQL.',
  ),
  UNFOLD_DATA_DIR: z
    .string()
    .transform((path) => (isAbsolute(path) ? path : resolve(path)))
    .default(() => resolve('.unfold'))
    .meta({ description: 'Folder of artifacts and of the embedded database.', standard: '.unfold' }),
  UNFOLD_ADMIN_KEY: key.meta({ description: 'The first API key, with every scope.' }),
  UNFOLD_ENCRYPTION_KEY: z
    .string()
    .min(16, 'at least 16 characters: try `openssl rand -hex 32`')
    .max(500, 'at most 500 characters')
    .nullable()
    .default(null)
    .meta({
      description: 'Encrypts the secrets of webhooks in the database; the same for every API process.',
    }),
  UNFOLD_ALLOWED_HOSTS: list(
    isHost,
    'host names separated by commas, such as unfold.example.org,10.0.0.5:8080',
    'Values of the `Host` header that are accepted beside loopback names, separated by commas.',
  ),
  UNFOLD_ALLOWED_ORIGINS: list(
    isOrigin,
    'origins separated by commas, such as https://example.org (no path, no trailing slash)',
    'Origins whose pages may call the API (CORS), separated by commas.',
  ),
  UNFOLD_WEBHOOK_PRIVATE_HOSTS: list(
    isHost,
    'host names separated by commas, such as hooks.internal,10.0.0.5:8080',
    'Hosts that webhooks may reach at a private address, and over http, separated by commas.',
  ),
  UNFOLD_ENGINE: z
    .enum(['auto', 'native', 'reference', 'tfjs'], { error: 'one of auto, native, reference, tfjs' })
    .default('auto')
    .meta({ description: 'Engine that trains and infers when a job names none.' }),
  UNFOLD_DEVICE: z
    .enum(['cpu', 'gpu'], { error: 'cpu or gpu' })
    .default('cpu')
    .meta({ description: 'The kind of device that a worker process owns.' }),
  UNFOLD_MAX_DEVICE_MEMORY_BYTES: optionalInteger(
    64 * MiB,
    1024 * GiB,
    "Memory of a worker's GPU that one job may take; a job that needs more is refused before it trains. Unset: what WebGPU's limits allow.",
  ),
  OTEL_EXPORTER_OTLP_ENDPOINT: url(
    ['http:', 'https:'],
    'http://127.0.0.1:4318',
    'Where traces are sent by OTLP over HTTP (`/v1/traces` is added). Unset: nothing is traced.',
  ),
  OTEL_EXPORTER_OTLP_HEADERS: z
    .string()
    .regex(/^[^=,\s]+=[^,]*(,[^=,\s]+=[^,]*)*$/, 'headers such as api-key=secret,other=value')
    .nullable()
    .default(null)
    .meta({ description: 'Headers that go with the traces: name=value, separated by commas.' }),
  UNFOLD_METRICS_PORT: optionalInteger(
    0,
    65_535,
    'Port on HOST where a worker tells Prometheus its numbers; 0 takes any free one. Unset: it listens on no port.',
  ),
  UNFOLD_SHUTDOWN_GRACE_SECONDS: integer(
    1,
    3600,
    30,
    'How long a stopping worker may take to write its checkpoint and hand its job back.',
  ),
  UNFOLD_STORAGE_PATIENCE_SECONDS: integer(
    0,
    86_400,
    60,
    'How long a run waits for room on a full disk before it fails (it can be resumed then).',
  ),
  UNFOLD_THREADS: optionalInteger(
    1,
    256,
    'Threads that each worker computes with; results do not depend on it. Unset: one per processor, which the workers of one `unfold up` share.',
  ),
  UNFOLD_INFERENCE_THREADS: optionalInteger(
    1,
    256,
    'Most threads that answer inference calls, per API process; each computes by itself. Unset: one per processor, at most 4.',
  ),
  UNFOLD_WEBHOOK_ATTEMPTS: integer(
    1,
    20,
    10,
    'Attempts to deliver a webhook: 5 s after the first, then each four times as long after the one before, at most 6 hours.',
  ),
  UNFOLD_WEBHOOK_CONCURRENCY: integer(
    1,
    1000,
    16,
    'Webhooks that one API process delivers at once; of one endpoint at most a quarter.',
  ),
  UNFOLD_WEBHOOK_LOG_DAYS: integer(1, 3650, 30, 'How long the log of deliveries is kept.'),
  UNFOLD_MAX_WEBHOOK_ENDPOINTS: integer(1, 100_000, 100, 'Webhook endpoints of one project.'),
  UNFOLD_MAX_UPLOAD_BYTES: integer(1, 1024 * GiB, GiB, 'Largest uploaded file.'),
  UNFOLD_MAX_BODY_BYTES: integer(KiB, GiB, MiB, 'Largest JSON body.'),
  UNFOLD_MAX_QUEUE_DEPTH: integer(
    1,
    10_000_000,
    10_000,
    'Jobs that may wait at once; API processes beside each other may exceed it by what they insert within a second.',
  ),
  UNFOLD_MAX_SOCKETS: integer(1, 1_000_000, 10_000, 'Open WebSockets and event streams, per API process.'),
  UNFOLD_MAX_SUBSCRIPTIONS_PER_SOCKET: integer(1, 100_000, 1000, 'Jobs that one socket may follow.'),
  UNFOLD_MAX_REQUESTS_PER_MINUTE: integer(
    1,
    100_000_000,
    6000,
    'Requests per client and minute, unless its key says otherwise: of all API processes together with Redis, of each without.',
  ),
  UNFOLD_MAX_TOKENS_PER_MINUTE: optionalInteger(
    1,
    1_000_000_000_000,
    'Tokens per key and minute that inference reads and writes, unless the key says otherwise. Unset: no limit.',
  ),
  UNFOLD_MAX_CONCURRENT_JOBS: optionalInteger(
    1,
    10_000_000,
    'Jobs of one key that may be queued or running at once, unless the key says otherwise. Unset: no limit.',
  ),
  UNFOLD_MAX_STORED_BYTES: optionalInteger(
    1,
    9_007_199_254_740_991,
    'Bytes of files, models, checkpoints and sessions of one key, unless the key says otherwise. Unset: no limit.',
  ),
  UNFOLD_MAX_ANSWER_TOKENS: integer(
    1,
    1_000_000_000,
    262_144,
    'Tokens of one answer that is held as a whole, over all of its choices, beam or best_of included; with log-probabilities each counts 2 + `logprobs` times.',
  ),
  UNFOLD_MAX_INFERENCE_QUEUE: integer(1, 1_000_000, 256, 'Inference calls that may wait, per API process.'),
  UNFOLD_MAX_MODEL_MEMORY_BYTES: integer(
    MiB,
    1024 * GiB,
    GiB,
    'Memory for loaded models, per API process; the least recently used go first.',
  ),
  UNFOLD_MAX_PREFIX_CACHE_BYTES: integer(
    0,
    1024 * GiB,
    64 * MiB,
    'Memory for the states of models after prompts seen before, per API process; 0: every prompt is read.',
  ),
  UNFOLD_MAX_MODEL_PARAMETERS: integer(
    1,
    10_000_000_000,
    100_000_000,
    'Largest model, in parameters, that is trained or imported.',
  ),
  UNFOLD_MAX_SEQUENCE_LENGTH: integer(1, 1_000_000, 4096, 'Longest training window, in tokens.'),
  UNFOLD_MAX_SAFETENSORS_HEADER_BYTES: integer(
    KiB,
    100_000_000,
    1_000_000,
    'Largest header of an imported safetensors file.',
  ),
  UNFOLD_MAX_SESSIONS_PER_KEY: integer(1, 10_000_000, 1000, 'Sessions that an API key may have at once.'),
  UNFOLD_MAX_SNAPSHOTS_PER_SESSION: integer(1, 100_000, 32, 'Snapshots that a session may have at once.'),
  UNFOLD_MAX_SESSION_SECONDS: integer(
    1,
    1_000_000_000,
    2_592_000,
    'Longest time that a session may be asked to live unused.',
  ),
  UNFOLD_MAX_DATABASE_CONNECTIONS: integer(
    2,
    1000,
    10,
    'Connections of one process to the database (the queue on PostgreSQL takes up to 20 more).',
  ),
  UNFOLD_URL: url(
    ['http:', 'https:'],
    'http://127.0.0.1:8080',
    'The service that the commands of `unfold` ask. Unset: the one that runs in the data folder.',
  ),
  UNFOLD_API_KEY: key.meta({ description: 'The key that those commands show. Unset: UNFOLD_ADMIN_KEY.' }),
});

export type Environment = z.output<typeof environment>;
export type VariableName = keyof Environment;

/** Variables that may hold a password: read from `<NAME>_FILE` too, and never repeated in an error. */
export const secretVariables: readonly VariableName[] = [
  'UNFOLD_ADMIN_KEY',
  'UNFOLD_API_KEY',
  'UNFOLD_ENCRYPTION_KEY',
  'OTEL_EXPORTER_OTLP_HEADERS',
  'DATABASE_URL',
  'REDIS_URL',
];

/** Variables of those who ask a service, not of the service itself. */
export const clientVariables: readonly VariableName[] = ['UNFOLD_URL', 'UNFOLD_API_KEY'];

export interface VariableDescription {
  name: string;
  description: string;
  /** The default as one would write it; empty when unset is the default. */
  standard: string;
}

/** Every variable that is read, for documentation and for `unfold doctor`. */
export const describeEnvironment = (): VariableDescription[] => {
  const standards: Record<string, unknown> = environment.parse({});
  return Object.entries(environment.shape).flatMap(([name, schema]) => {
    const meta = schema.meta() as { description: string; standard?: string };
    const standard = meta.standard ?? String(standards[name] ?? '');
    const own = { name, description: meta.description, standard };
    if (!secretVariables.some((secret) => secret === name)) return [own];
    return [own, { name: `${name}_FILE`, description: `File that holds ${name}.`, standard: '' }];
  });
};
