import type { ArtifactStore } from './artifact-store.ts';
import type {
  CheckpointRepository,
  EventRepository,
  FileRepository,
  JobRepository,
  KeyRepository,
  ModelRepository,
} from './repositories.ts';

export interface StoreOptions {
  databaseUrl: string;
  artifactsDir: string;
  /** Size of the connection pool. Default 10. */
  connections?: number;
  /** Apply pending migrations first. Default true. */
  migrate?: boolean;
  /** More queued jobs than this: `queue_full`. Default 10,000. */
  queueDepth?: number;
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
  artifacts: ArtifactStore;
  /** Resolves if PostgreSQL answers, else `unavailable`. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

export const openStore = async (_options: StoreOptions): Promise<Store> => {
  throw new Error('The store is under construction.');
};
