import type { DeviceResource, SystemResource, WorkerResource } from '@unfold/contracts';
import { type CallOptions, createHttp, type HttpOptions } from './http.ts';
import { type List, listAt } from './pages.ts';
import { type Completions, createCompletions } from './resources/completions.ts';
import { createFiles, type Files } from './resources/files.ts';
import { createJobs, type Jobs } from './resources/jobs.ts';
import { createKeys, type Keys } from './resources/keys.ts';
import { createModels, type Models } from './resources/models.ts';
import { createSessions, type Sessions } from './resources/sessions.ts';
import { createWebhooks, type Webhooks } from './resources/webhooks.ts';
import type { StreamOptions } from './streams/reconnect.ts';
import { createWatch, type Watch } from './streams/watch.ts';

export type UnfoldOptions = HttpOptions;

/**
 * A service. Every call takes `{ signal }` last, and rejects with `UnfoldError` (what the API refused) or `UnreachableError` (no answer).
 * What may be repeated is, a bounded number of times, after as long as the service asks for.
 */
export class Unfold {
  /** Where the service is. */
  readonly baseUrl: string;
  readonly files: Files;
  readonly jobs: Jobs;
  readonly models: Models;
  readonly completions: Completions;
  readonly sessions: Sessions;
  readonly keys: Keys;
  readonly webhooks: Webhooks;
  /** Running processes that train. */
  readonly workers: List<WorkerResource>;
  /** What they compute on. */
  readonly devices: List<DeviceResource>;
  /** What the service keeps and has to do. */
  readonly system: (options?: CallOptions) => Promise<SystemResource>;
  /** Whether the API is alive. */
  readonly health: (options?: CallOptions) => Promise<{ status: 'ok' }>;
  /** Whether it can serve: its database and its queue are there. */
  readonly ready: (options?: CallOptions) => Promise<{ status: 'ok'; database: 'ok'; queue: 'ok' }>;
  /** Many jobs over one socket, across lost connections, until it is aborted or left. */
  readonly watch: (options?: StreamOptions) => Watch;

  constructor(options: UnfoldOptions) {
    const http = createHttp(options);
    this.baseUrl = options.baseUrl;
    this.files = createFiles(http);
    this.jobs = createJobs(http);
    this.models = createModels(http);
    this.completions = createCompletions(http);
    this.sessions = createSessions(http);
    this.keys = createKeys(http);
    this.webhooks = createWebhooks(http);
    this.workers = listAt(http, '/v1/workers');
    this.devices = listAt(http, '/v1/devices');
    this.system = (call) => http.call('/v1/system', call);
    this.health = (call) => http.call('/health', call);
    this.ready = (call) => http.call('/ready', call);
    this.watch = (stream) => createWatch(http, stream);
  }
}
