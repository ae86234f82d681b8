import type {
  DeletedResource,
  Page,
  PageQuery,
  SessionListQuery,
  SessionResource,
  SnapshotResource,
} from '@unfold/contracts';
import type { Created, Idempotency, Quota } from '../repositories.ts';

export interface SessionLimits {
  /** Sessions of one key that have not expired. */
  perKey: number;
  /** Snapshots of one session. */
  snapshots: number;
}

/** Whose a session is. To every other project, and to every other key of the project, it does not exist. */
export interface SessionOwner {
  project: string;
  /** A key's id, or `admin` or `local`. */
  key: string;
}

/** A model's opaque state and how many tokens it has read. */
export interface KeptState {
  state: Uint8Array;
  tokens: number;
}

export interface NewSession extends KeptState, Pick<SessionResource, 'model' | 'context' | 'metadata'> {
  ttl_seconds: number;
}

export interface NewFork {
  /** Null: the parent's. */
  ttl_seconds: number | null;
  /** Null: the parent's. */
  metadata: SessionResource['metadata'] | null;
  /** Null: the parent's committed state. */
  snapshot: string | null;
}

/** A session in use: what was committed last, and the token that the next commit must show. */
export interface LeasedSession extends KeptState, Pick<SessionResource, 'model' | 'context'> {
  lease: SessionLease;
}

export interface SessionLease {
  session: string;
  token: string;
}

/**
 * What became of a commit. `taken_over`: the lease ran out and another call took the session, whose state counts;
 * `gone`: it was deleted, or has expired. In both cases nothing was written.
 */
export type Committed = 'committed' | 'taken_over' | 'gone';

/**
 * Sessions that have expired do not exist, whether or not they have been swept. Times are the database's. A foreign,
 * expired or unknown session is `not_found`; a snapshot too, with the param `snapshot`. What would take more bytes than
 * the quota leaves is `quota_exceeded`.
 */
export interface SessionRepository {
  /** `session_limit` beyond the sessions of one key, and the errors of {@link Idempotency}. */
  create(
    owner: SessionOwner,
    session: NewSession,
    idempotency?: Idempotency,
    quota?: Quota | null,
  ): Promise<Created<SessionResource>>;
  get(owner: SessionOwner, id: string): Promise<SessionResource>;
  /** The owner's, newest first. */
  list(owner: SessionOwner, query: SessionListQuery): Promise<Page<SessionResource>>;
  /** Also while it is in use: that call then has nothing to commit to. */
  remove(owner: SessionOwner, id: string): Promise<DeletedResource>;
  /** What was committed last. */
  state(owner: SessionOwner, id: string): Promise<KeptState>;

  /** A new session at the point that was committed last, or at a snapshot of the parent; the parent may be in use. */
  fork(
    owner: SessionOwner,
    id: string,
    fork: NewFork,
    idempotency?: Idempotency,
    quota?: Quota | null,
  ): Promise<Created<SessionResource>>;
  /** Keeps what was committed last. `snapshot_limit` beyond the snapshots of one session. */
  snapshot(
    owner: SessionOwner,
    id: string,
    idempotency?: Idempotency,
    quota?: Quota | null,
  ): Promise<Created<SnapshotResource>>;
  /** Newest first. */
  snapshots(owner: SessionOwner, id: string, page: PageQuery): Promise<Page<SnapshotResource>>;
  removeSnapshot(owner: SessionOwner, id: string, snapshot: string): Promise<DeletedResource>;
  /** Puts the session back to a snapshot. `session_busy` while it is in use. */
  restore(owner: SessionOwner, id: string, snapshot: string): Promise<SessionResource>;

  /**
   * Takes the session for one call, for so long; it does not expire meanwhile, but only a commit counts as a use.
   * `session_busy` while another call holds a lease that has not run out.
   */
  lease(owner: SessionOwner, id: string, lease_ms: number): Promise<LeasedSession>;
  /** Prolongs a lease, from now. False if it is no longer this call's, or the session is gone. */
  renew(lease: SessionLease, lease_ms: number): Promise<boolean>;
  /** Writes the state that the call has reached, and ends the lease. Only the holder of the newest lease can. */
  commit(lease: SessionLease, kept: KeptState): Promise<Committed>;
  /** Ends the lease without a change. */
  release(lease: SessionLease): Promise<void>;

  /** Deletes what has expired, in batches; how many there were. Any number of processes may. */
  removeExpired(): Promise<number>;
  /** Sessions that have not expired, of all owners. */
  count(): Promise<number>;
}
