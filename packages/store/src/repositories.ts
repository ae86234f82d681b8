import type {
  CheckpointResource,
  DeletedResource,
  FileResource,
  Frame,
  FrameBody,
  FrameType,
  JobProgress,
  JobRequest,
  JobResource,
  JobSpec,
  JobStatus,
  KeyLimits,
  KeyResource,
  KeyScope,
  MetricsResource,
  ModelResource,
  Page,
  PageQuery,
  ResumeRequest,
} from '@unfold/contracts';
import type { Claim, Claimed, ClaimedBy, EnqueueTicket } from './claim.ts';
import type { ArtifactRecord, Finished, Outcome } from './outcome.ts';

/**
 * The `Idempotency-Key` of a request that creates. `request_hash` covers everything that the request asked for.
 * The same key with the same hash gets the stored answer for 24 hours; with another hash `idempotency_mismatch`;
 * while the first is still creating, `idempotency_in_progress`.
 */
export interface Idempotency {
  key: string;
  route: string;
  request_hash: string;
}

/** What a key may have at once; null: no limit. What it creates counts against it, also after its limits changed. */
export interface Quota {
  key_id: string;
  concurrent_jobs: number | null;
  /** Files, models, checkpoints and what sessions remember. */
  stored_bytes: number | null;
}

export interface Created<T> {
  resource: T;
  /** The resource is the stored answer of an earlier request; nothing was created. */
  replayed: boolean;
}

export interface FileUpload {
  filename: string;
  /** Read when `upload` has ended. */
  readonly purpose: FileResource['purpose'];
  /** Seconds from its creation to its deletion; null: until somebody deletes it. Read when `upload` has ended. */
  readonly expires_after?: number | null;
  upload: AsyncIterable<Uint8Array>;
  /** More than this many bytes: `payload_too_large`. */
  limit_bytes: number;
  /** The store hashes the content itself, so no `request_hash`. */
  idempotency?: Omit<Idempotency, 'request_hash'>;
  quota?: Quota | null;
}

/** Where a file of the artifact store is and what it must hash to. */
export interface LocatedFile extends ArtifactRecord {
  id: string;
  project: string;
  filename: string;
  characters: number | null;
  lines: number;
  invalid_utf8_offset: number | null;
}

/** Every method that takes `project` sees that project only; a foreign id is `not_found`. */
export interface FileRepository {
  /**
   * Streams an upload into the artifact store, then creates its row. An upload that breaks off leaves neither.
   * Errors: `upload_interrupted`, `payload_too_large`, `storage_full`, `quota_exceeded`, and those of {@link Idempotency}.
   */
  create(project: string, file: FileUpload): Promise<Created<FileResource>>;
  get(project: string, id: string): Promise<FileResource>;
  /** Newest first, unless `order` is `asc`. An `after` that is no file's id is `invalid_value`. */
  list(project: string, page: PageQuery & { purpose?: string | undefined }): Promise<Page<FileResource>>;
  /** `in_use`, naming the job, while an unfinished job reads the file. */
  remove(project: string, id: string): Promise<DeletedResource>;
  /** Deletes a batch of those whose time has come and that no unfinished job reads; how many. Any number of processes may. */
  removeExpired(): Promise<number>;
  /** For a worker, which acts for every project. `not_found` if it was deleted. */
  locate(id: string): Promise<LocatedFile>;
}

export interface JobListQuery extends PageQuery {
  status?: JobStatus | undefined;
  /** Only jobs whose metadata contain all of these; null: only jobs without any. */
  metadata?: Record<string, string> | null | undefined;
}

/** A job to be stored without further conditions. `key_id`: the key that posted it. */
export interface PlainJob {
  project: string;
  spec: JobSpec;
  key_id: string | null;
}

export type CreatedJob = Created<JobResource> & { enqueue: EnqueueTicket | null };

/** A job to be stored, and what its `spec.start_from` names: it gets a copy of those weights. */
export interface StartingJob {
  spec: JobSpec;
  start?: LocatedModel | null;
}

/** `enqueue` is empty when replayed. */
export type CreatedJobs<T = JobResource[]> = Created<T> & { enqueue: EnqueueTicket[] };

export interface JobRepository {
  /**
   * Stores a queued job, its head and its first frame in one transaction. `not_found` (param `file` or
   * `validation_file`), `queue_full`, `quota_exceeded`, and the errors of {@link Idempotency}. `enqueue` is null when replayed.
   * @param start what `spec.start_from` names: the job gets a copy of its weights
   */
  create(
    project: string,
    spec: JobSpec,
    idempotency?: Idempotency,
    start?: LocatedModel | null,
    quota?: Quota | null,
  ): Promise<CreatedJob>;
  /**
   * The same for several, all or none, in their order. Errors of a job name their field as `jobs[3].file`. A quota counts each.
   * `invalid_value` (param `jobs`) if the quota, or the queue, would have no room for so many even if nothing else were there.
   */
  createAll(
    project: string,
    jobs: readonly StartingJob[],
    idempotency?: Idempotency,
    quota?: Quota | null,
  ): Promise<CreatedJobs>;
  /**
   * Stores jobs that no key's quota and no `Idempotency-Key` holds, all in one statement. Answers one by one, in their
   * order: what became of the job, or why it was refused, as by {@link JobRepository.create}.
   */
  createMany(jobs: readonly PlainJob[]): Promise<(CreatedJob | Error)[]>;
  get(project: string, id: string): Promise<JobResource>;
  /** Newest first. */
  list(project: string, query: JobListQuery): Promise<Page<JobResource>>;
  /**
   * Acts at once on a queued or paused job; on a running one it sets `requested` (`running`: the caller broadcasts).
   * Repeating it changes nothing. `wrong_state` on a finished job, but for `cancel` on a cancelled one.
   */
  request(
    project: string,
    id: string,
    action: JobRequest,
  ): Promise<{ job: JobResource; running: boolean; removed: EnqueueTicket | null }>;
  /**
   * Queues a paused, failed or cancelled job again, or withdraws a pending pause (`running`: the caller broadcasts).
   * `wrong_state` on a succeeded job and on one that is being cancelled; `invalid_value` if less is asked than is
   * done; `impossible_with_data` if its file is gone; `quota_exceeded`. A job that is queued again with a quota counts
   * against that one's key from then on, whoever had posted it.
   */
  resume(
    project: string,
    id: string,
    change?: ResumeRequest,
    quota?: Quota | null,
  ): Promise<{ job: JobResource; running: boolean; enqueue: EnqueueTicket | null }>;
  /** Finished jobs only (`wrong_state`): takes events and checkpoints along, leaves published models. */
  remove(project: string, id: string): Promise<DeletedResource>;
  /** Every queued job, in queue order: the reconciler enqueues those that the queue does not hold. */
  queued(): Promise<EnqueueTicket[]>;
  /** Running jobs whose worker has been silent for so long. The reconciler treats them like queued ones. */
  abandoned(silent_ms: number): Promise<EnqueueTicket[]>;
  /** Remembers the span that a job is enqueued in, for tickets that are made again. */
  keepTrace(ids: readonly string[], traceparent: string): Promise<void>;
  /** Jobs by status over all projects, for `/metrics` of the API. */
  counts(): Promise<Record<JobStatus, number>>;
  /** Seconds that the longest queued job has waited; 0 if none is queued. */
  longestWait(): Promise<number>;

  /**
   * A worker takes a delivered job: attempt + 1 by compare-and-set, frames `status running` and, if it is not the
   * first attempt, `restart`. Null if there is nothing to do: finished, paused, removed, or owned by a live worker.
   * The fourth claim in a row without a new checkpoint ends the job as `attempts_exhausted`.
   */
  claim(id: string, by: ClaimedBy): Promise<Claimed | null>;
  /** Ends an attempt. Null if it was fenced off: nothing was written. */
  finish(claim: Claim, outcome: Outcome): Promise<Finished | null>;
}

export interface EventsQuery {
  /** Frames with a greater sequence number. Default 0. */
  after?: number | undefined;
  /** Frames with a smaller sequence number. Default: all. */
  before?: number | undefined;
  /** Default `oldest_first`. */
  order?: 'oldest_first' | 'newest_first' | undefined;
  /** Default 1000. */
  limit?: number | undefined;
  type?: FrameType | readonly FrameType[] | undefined;
}

export interface MetricsQuery {
  names?: readonly string[] | undefined;
  /** Only points after this step. */
  after_step?: number | undefined;
  /** At most this many points; more are thinned out, and `downsampled` says so. */
  points?: number | undefined;
  /** Whether to tell when each point was appended. */
  times?: boolean | undefined;
}

export interface JobHead {
  /** Sequence number of the last frame. */
  head: number;
  status: JobStatus;
}

export interface EventRepository {
  /**
   * Appends frames of an attempt, and its progress, in one statement that also fences. An empty list is a heartbeat.
   * Null if another attempt owns the job or it has ended: nothing was written and the worker must stop.
   */
  append(
    claim: Claim,
    bodies: readonly FrameBody[],
    progress?: JobProgress,
  ): Promise<{ head: number; requested: JobRequest | null } | null>;
  /** Appends frames of a process that owns no attempt. Null if the job is gone or has ended. */
  note(job_id: string, bodies: readonly FrameBody[]): Promise<{ head: number } | null>;
  /** In order of sequence number, or the other way round. */
  read(job_id: string, query?: EventsQuery): Promise<Frame[]>;
  /** Unknown jobs are left out. */
  heads(job_ids: readonly string[]): Promise<Map<string, JobHead>>;
  /** Curves, each step once, without the points that a restart withdrew. */
  metrics(job_id: string, query?: MetricsQuery): Promise<MetricsResource>;
}

export interface NewCheckpoint extends ArtifactRecord {
  /** Default: a new id. Give one to use it in the artifact's path. */
  id?: string;
  step: number;
  validation_loss: number | null;
  /** The lowest validation loss so far. */
  best: boolean;
  /** The state at the end of the training. */
  last: boolean;
  parameters?: number;
  vocabulary_size?: number;
}

export interface CheckpointRepository {
  /**
   * Row and `checkpoint` frame in one transaction. Null if fenced off: the caller removes its file. Keeps the newest
   * three, the best and the last, and removes the others' files after the commit.
   */
  record(claim: Claim, checkpoint: NewCheckpoint): Promise<CheckpointResource | null>;
  /** Newest first. */
  list(project: string, job_id: string, page: PageQuery): Promise<Page<CheckpointResource>>;
  get(project: string, id: string): Promise<CheckpointResource>;
  /** By checkpoint what the curve said when it was recorded: the newest training metrics, and an evaluation at its step. */
  metrics(ids: readonly string[]): Promise<Map<string, Record<string, number | null>>>;
}

export interface NewModel extends ArtifactRecord {
  id?: string;
  name: string | null;
  spec: JobSpec | null;
  parameters: number;
  vocabulary_size: number;
  quota?: Quota | null;
}

/** The file that a model reference stands for. A `checkpoint` also holds optimizer state. */
export interface LocatedModel extends ArtifactRecord {
  id: string;
  kind: 'model' | 'checkpoint';
}

export interface ModelRepository {
  /** When replayed, the file that was written for it is removed. */
  create(project: string, model: NewModel, idempotency?: Idempotency): Promise<Created<ModelResource>>;
  /** By a model's id, a checkpoint's id, or a name, where the newest wins. */
  get(project: string, reference: string): Promise<ModelResource>;
  list(project: string, page: PageQuery): Promise<Page<ModelResource>>;
  /** By id or name. A checkpoint's id is `invalid_value`: it goes with its job. */
  remove(project: string, reference: string): Promise<DeletedResource>;
  locate(project: string, reference: string): Promise<LocatedModel>;
}

export interface NewKey {
  name: string;
  project: string;
  scopes: readonly KeyScope[];
  limits?: KeyLimits;
}

/** Who a request comes from. */
export interface Identity {
  id: string;
  name: string;
  project: string;
  scopes: KeyScope[];
  limits: KeyLimits;
}

export interface KeyRepository {
  /** The resource holds the secret in `key`, which is stored hashed: a replayed answer lacks it. */
  create(key: NewKey, idempotency?: Idempotency): Promise<Created<KeyResource>>;
  /** All projects if null. */
  list(project: string | null, page: PageQuery): Promise<Page<KeyResource>>;
  revoke(id: string): Promise<DeletedResource>;
  /** Null if no key has this secret. */
  authenticate(secret: string): Promise<Identity | null>;
  any(): Promise<boolean>;
  /** Makes this secret the one admin key that comes from the configuration, in place of an earlier one. */
  bootstrap(secret: string): Promise<void>;
}
