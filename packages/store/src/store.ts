import type { ArtifactStore } from './artifact-store.ts';
import { createCheckpointRepository } from './checkpoint-repository.ts';
import { openDatabase } from './database.ts';
import { createEventRepository } from './event-repository.ts';
import { createFileArtifactStore } from './file-artifact-store.ts';
import { createFileRepository } from './file-repository.ts';
import { removeExpired, replay } from './idempotency.ts';
import { createJobRepository } from './jobs/job-repository.ts';
import { createKeyRepository } from './key-repository.ts';
import { migrate } from './migrate.ts';
import { createModelRepository } from './model-repository.ts';
import type {
  CheckpointRepository,
  EventRepository,
  FileRepository,
  Idempotency,
  JobRepository,
  KeyRepository,
  ModelRepository,
} from './repositories.ts';
import { createSessionRepository } from './sessions/session-repository.ts';
import type { SessionLimits, SessionRepository } from './sessions/sessions.ts';
import { createSystemRepository, type SystemRepository } from './system/system-repository.ts';
import { createSecretBox } from './webhooks/secret-box.ts';
import { createWebhookRepository } from './webhooks/webhook-repository.ts';
import type { WebhookRepository } from './webhooks/webhooks.ts';
import { createWorkerRepository, type WorkerRepository } from './workers/worker-repository.ts';

export interface StoreOptions {
  databaseUrl: string;
  artifactsDir: string;
  /** Size of the connection pool. Default 10. */
  connections?: number;
  /** Apply pending migrations first. Default true. */
  migrate?: boolean;
  /** More queued jobs than this: `queue_full`. Default 10,000. */
  queueDepth?: number;
  /** Seals the secrets that must be used again. Default null: they are stored as they are. */
  encryptionKey?: string | null;
  /** Default: 1000 sessions per key, 32 snapshots per session. */
  sessionLimits?: SessionLimits;
  log?: (message: string) => void;
}

/** Everything that is kept. A lost database is `unavailable` from every method; the pool mends itself. */
export interface Store {
  files: FileRepository;
  jobs: JobRepository;
  events: EventRepository;
  checkpoints: CheckpointRepository;
  models: ModelRepository;
  keys: KeyRepository;
  webhooks: WebhookRepository;
  sessions: SessionRepository;
  workers: WorkerRepository;
  system: SystemRepository;
  artifacts: ArtifactStore;
  /**
   * The stored answer of an earlier request with this key, or null. For routes that check a request before they
   * create: a replay must not fail because the world has changed since. `idempotency_mismatch` as when creating.
   */
  replay<T>(project: string, idempotency: Idempotency): Promise<T | null>;
  /** Resolves if PostgreSQL answers, else `unavailable`. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

const expiryInterval_ms = 3600 * 1000;

/** Opens the database and the artifact store, applies migrations, and removes what dead writers left behind. */
export const openStore = async ({
  databaseUrl,
  artifactsDir,
  connections = 10,
  migrate: migrates = true,
  queueDepth = 10_000,
  encryptionKey = null,
  sessionLimits = { perKey: 1000, snapshots: 32 },
  log = () => undefined,
}: StoreOptions): Promise<Store> => {
  if (migrates) for (const name of await migrate(databaseUrl)) log(`Applied migration ${name}.`);
  const database = openDatabase({ databaseUrl, connections, log });
  const artifacts = createFileArtifactStore(artifactsDir);
  const swept = await artifacts.sweep();
  if (swept > 0) log(`Removed ${swept} unfinished files of writers that no longer live.`);
  // An hour late is early enough, so a database that is away just now is tried again in an hour.
  const expire = () => removeExpired(database).catch(() => 0);
  await expire();
  const timer = setInterval(expire, expiryInterval_ms).unref();
  return {
    files: createFileRepository(database, artifacts),
    jobs: createJobRepository(database, artifacts, queueDepth),
    events: createEventRepository(database),
    checkpoints: createCheckpointRepository(database, artifacts),
    models: createModelRepository(database, artifacts),
    keys: createKeyRepository(database),
    webhooks: createWebhookRepository(database, createSecretBox(encryptionKey)),
    sessions: createSessionRepository(database, sessionLimits),
    workers: createWorkerRepository(database),
    system: createSystemRepository(database, artifactsDir),
    artifacts,
    replay: (project, idempotency) => replay(database, project, idempotency),
    ping: () =>
      database.run(async (queries) => {
        await queries.$queryRaw`SELECT 1`;
      }),
    async close() {
      clearInterval(timer);
      await database.close();
    },
  };
};
