import type {
  CheckpointResource,
  DeletedResource,
  EstimateResource,
  Frame,
  FrameType,
  JobBatch,
  JobResource,
  JobSpecInput,
  JobStatus,
  MetricsResource,
  Page,
  PreviewResource,
  ResumeRequest,
} from '@unfold/contracts';
import { type CallOptions, type CreateOptions, type Http, newIdempotencyKey } from '../http.ts';
import { type List, listAt, type PageOptions, part } from '../pages.ts';
import { type FollowOptions, follow } from '../streams/follow.ts';

export interface JobListOptions extends PageOptions {
  status?: JobStatus | undefined;
  /** Only jobs with these labels. */
  metadata?: Record<string, string> | undefined;
}

export interface MetricsOptions extends CallOptions {
  /** Default: all. */
  names?: readonly string[] | undefined;
  afterStep?: number | undefined;
  /** Thins each curve out to at most so many points. */
  points?: number | undefined;
  /** Also when each point was told. */
  times?: boolean | undefined;
}

export interface EventOptions extends CallOptions {
  after?: number | undefined;
  limit?: number | undefined;
  type?: FrameType | undefined;
}

export interface Jobs extends List<JobResource, JobListOptions> {
  create(spec: JobSpecInput, options?: CreateOptions): Promise<JobResource>;
  /** Posts up to 1000 jobs with one request, all or none; answers in their order. */
  createMany(specs: readonly JobSpecInput[], options?: CreateOptions): Promise<JobResource[]>;
  /** @param options.wait answer only when the status changes, or after so many seconds (60 at most) */
  get(id: string, options?: CallOptions & { wait?: number | undefined }): Promise<JobResource>;
  cancel(id: string, options?: CallOptions): Promise<JobResource>;
  pause(id: string, options?: CallOptions): Promise<JobResource>;
  resume(id: string, changes?: ResumeRequest, options?: CallOptions): Promise<JobResource>;
  delete(id: string, options?: CallOptions): Promise<DeletedResource>;
  estimate(spec: JobSpecInput, options?: CallOptions): Promise<EstimateResource>;
  /** What the beginning of the file becomes under the spec: tokens, vocabulary, lengths. */
  preview(spec: JobSpecInput, options?: CallOptions): Promise<PreviewResource>;
  metrics(id: string, options?: MetricsOptions): Promise<MetricsResource>;
  /** Newest first. */
  checkpoints(id: string, options?: PageOptions): Promise<Page<CheckpointResource>>;
  /** A page of the event log, oldest first. */
  events(id: string, options?: EventOptions): Promise<Page<Frame>>;
  /** Every frame after `after`, once and in order, across lost connections; ends with the job. */
  follow(id: string, options?: FollowOptions): AsyncIterable<Frame>;
}

export const createJobs = (http: Http): Jobs => {
  const path = '/v1/jobs';
  const at = (id: string): string => `${path}/${part(id)}`;
  const ask = (id: string, what: 'cancel' | 'pause', options?: CallOptions): Promise<JobResource> =>
    http.call(`${at(id)}/${what}`, { ...options, method: 'POST', repeatable: true });
  return {
    ...listAt<JobResource, JobListOptions>(http, path),
    create: (spec, { idempotencyKey = newIdempotencyKey(), signal } = {}) =>
      http.call(path, { method: 'POST', json: spec, idempotencyKey, signal }),
    createMany: async (specs, { idempotencyKey = newIdempotencyKey(), signal } = {}) => {
      const call = { method: 'POST' as const, json: { jobs: specs }, idempotencyKey, signal };
      return (await http.call<JobBatch>(`${path}/batch`, call)).data;
    },
    get: (id, { wait, signal } = {}) => http.call(at(id), { query: { wait }, signal }),
    cancel: (id, options) => ask(id, 'cancel', options),
    pause: (id, options) => ask(id, 'pause', options),
    resume: (id, changes, options) =>
      http.call(`${at(id)}/resume`, { ...options, method: 'POST', ...(changes && { json: changes }) }),
    delete: (id, options) => http.call(at(id), { ...options, method: 'DELETE' }),
    estimate: (spec, options) =>
      http.call(`${path}/estimate`, { ...options, method: 'POST', json: spec, repeatable: true }),
    preview: (spec, options) =>
      http.call(`${path}/preview`, { ...options, method: 'POST', json: spec, repeatable: true }),
    metrics: (id, { names, afterStep, points, times, signal } = {}) =>
      http.call(`${at(id)}/metrics`, {
        query: { names: names?.join(','), after_step: afterStep, points, times },
        signal,
      }),
    checkpoints: (id, options) => listAt<CheckpointResource>(http, `${at(id)}/checkpoints`).list(options),
    events: (id, { signal, ...query } = {}) => http.call(`${at(id)}/events`, { query, signal }),
    follow: (id, options) => follow(http, id, options),
  };
};
