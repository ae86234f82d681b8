import type { Config } from '@unfold/config';
import type { KeyScope } from '@unfold/contracts';
import type { Queue } from '@unfold/queue';
import type { Store } from '@unfold/store';
import type { Tracing } from '@unfold/telemetry';
import type { FastifyBaseLogger } from 'fastify';
import type { Identity } from './identity.ts';
import type { DataChecks, VocabularyCount } from './inference/data-checks.ts';
import type { InferencePool } from './inference/inference-pool.ts';
import type { ModelDirectory } from './inference/model-directory.ts';
import type { JobIntake } from './jobs/job-intake.ts';
import type { KnownFiles } from './jobs/known-files.ts';
import type { RateLimits } from './limits/rate-limits.ts';
import type { FollowerHub } from './live/follower-hub.ts';
import type { OpenSockets } from './live/open-sockets.ts';
import type { ProjectWatchers } from './live/project-watchers.ts';
import type { ApiMetrics } from './metrics.ts';
import type { KeyGate } from './plugins/api-keys.ts';
import type { SessionLeases } from './sessions/session-leases.ts';
import type { Sender } from './webhooks/sender.ts';

/** How long things take; tests shorten them. */
export interface Timings {
  /** Between pings of sockets, and between comments on event streams. */
  pingMs: number;
  /** A reader that takes nothing for so long is dropped. */
  stallMs: number;
  /** Between readings of the heads of followed jobs. */
  headsMs: number;
  /** How long requests may take to end once the server stops; then their connections are cut. */
  patienceMs: number;
  /** Between runs of the reconciler, and between sweeps. */
  reconcileMs: number;
  /** Between looks for webhooks that are due. */
  webhookPollMs: number;
  /** How long a webhook's receiver may take to answer. */
  webhookTimeoutMs: number;
  /** Before the second attempt to deliver a webhook. */
  webhookRetryMs: number;
  /** After so long without a sign of life from the process that uses it, a session may be used by another. */
  leaseMs: number;
}

/** Everything that a route may use, made once per server. */
export interface ApiContext {
  config: Config;
  store: Store;
  queue: Queue;
  log: FastifyBaseLogger;
  metrics: ApiMetrics;
  hub: FollowerHub;
  watchers: ProjectWatchers;
  sockets: OpenSockets;
  inference: InferencePool;
  models: ModelDirectory;
  files: KnownFiles;
  jobIntake: JobIntake;
  sessionLeases: SessionLeases;
  dataChecks: DataChecks;
  /** The vocabulary that training would learn of a whole file. */
  vocabularies: DataChecks<VocabularyCount | null>;
  gate: KeyGate;
  webhooks: Pick<Sender, 'wake'>;
  rates: RateLimits;
  tracing: Tracing;
  timings: Timings;
  /** Aborted when the server begins to stop: streams and waiting requests end then. */
  closing: AbortSignal;
}

declare module 'fastify' {
  interface FastifyRequest {
    identity: Identity | null;
  }
  interface FastifyContextConfig {
    /** The scope that a route asks for; null: open to everyone. Absent: any valid key. */
    scope?: KeyScope | null;
    /** Whether the route speaks WebSocket. */
    socket?: boolean;
  }
}
