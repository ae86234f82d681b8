import {
  deletedResource,
  type JobBatch,
  type JobBatchRequest,
  type JobResource,
  type JobSpec,
  jobBatch,
  jobBatchRequest,
  jobList,
  jobResource,
  jobSpec,
  jobStatus,
  metadata,
  pageQuery,
} from '@unfold/contracts';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { z } from 'zod';
import type { ApiContext } from '../context.ts';
import { type Call, defineRoute } from '../http/define-route.ts';
import { goneSignal } from '../http/gone-signal.ts';
import { idempotencyOf } from '../http/idempotency.ts';
import { jobParams, noBody, requireId } from '../http/parameters.ts';
import { submissionErrors, submitJob, submitJobs } from '../jobs/submit-job.ts';
import { quotaOf } from '../limits/quota.ts';
import { waitForStatus } from '../live/status-wait.ts';
import { jobExample, jobRequestExample } from './examples.ts';

type Params = { params: z.output<typeof jobParams> };

const listQuery = pageQuery.extend({
  status: jobStatus.optional(),
  metadata: metadata.optional().meta({ description: 'Only jobs with these labels: `metadata[key]=value`.' }),
});
const getQuery = z.strictObject({
  wait: z.coerce.number().min(0).max(60).default(0).meta({
    description: 'Answer only when the status changes, but after so many seconds at the latest.',
  }),
});

const createJob = async ({
  context,
  project,
  body,
  request,
  reply,
}: Call<{ body: JobSpec }>): Promise<JobResource> => {
  const { resource, replayed } = await submitJob(
    context,
    project,
    idempotencyOf(request, body),
    () => body,
    quotaOf(request),
  );
  if (replayed) reply.header('idempotent-replayed', 'true');
  reply.code(201).header('location', `/v1/jobs/${resource.id}`);
  return resource;
};

const createJobs = async ({
  context,
  project,
  body,
  request,
  reply,
}: Call<{ body: JobBatchRequest }>): Promise<JobBatch> => {
  const { resource, replayed } = await submitJobs(
    context,
    project,
    idempotencyOf(request, body),
    body.jobs,
    quotaOf(request),
  );
  if (replayed) reply.header('idempotent-replayed', 'true');
  reply.code(201);
  return { object: 'list', data: resource };
};

const listJobs = ({ context, project, query }: Call<{ query: z.output<typeof listQuery> }>) =>
  context.store.jobs.list(project, query);

/** The job once its status is no longer what it is now. */
const afterChange = async (
  context: ApiContext,
  job: JobResource,
  seconds: number,
  reply: FastifyReply,
): Promise<void> => {
  const head = (await context.store.events.heads([job.id])).get(job.id);
  if (head === undefined || head.status !== job.status) return;
  const known = { id: job.id, head: head.head, status: job.status };
  await waitForStatus(context.hub, known, seconds * 1000, goneSignal(reply, context.closing));
};

const getJob = async ({
  context,
  project,
  params,
  query,
  reply,
}: Call<Params & { query: z.output<typeof getQuery> }>) => {
  const job = await context.store.jobs.get(project, requireId('job', params.id));
  if (query.wait === 0) return job;
  await afterChange(context, job, query.wait, reply);
  return context.store.jobs.get(project, job.id);
};

const deleteJob = async ({ context, project, params }: Call<Params>) => {
  const deleted = await context.store.jobs.remove(project, requireId('job', params.id));
  // Its checkpoints were models, too.
  context.models.forget();
  return deleted;
};

/** Training jobs: posted, listed, waited for, deleted. */
export const registerJobRoutes = (app: FastifyInstance, context: ApiContext): void => {
  defineRoute(app, context, {
    method: 'POST',
    url: '/v1/jobs',
    scope: 'train',
    tag: 'Jobs',
    summary: 'Post a training job',
    description:
      'Only `file` is required. The spec is checked against what the upload recorded; records and series are read as a whole, and data that does not fit the task is refused with the line and what was expected. The answer shows it with every default filled in. Takes an `Idempotency-Key`.',
    body: jobSpec,
    response: { 201: jobResource },
    errors: ['contradictory_options', ...submissionErrors],
    docs: { request: jobRequestExample, response: jobExample },
    handler: createJob,
  });
  defineRoute(app, context, {
    method: 'POST',
    url: '/v1/jobs/batch',
    scope: 'train',
    tag: 'Jobs',
    summary: 'Post many training jobs',
    description:
      'All or none: as many specs as a sweep of hyper-parameters has, checked as by `POST /v1/jobs`, which costs far more for each. An error names the field ' +
      'with its place, `jobs[3].model.hidden_size`. It is one request of the rate of a key; quotas and the depth of the queue count each job, ' +
      'and more than would ever fit are refused for good, as `invalid_value` at `jobs`. ' +
      'The answer shows the jobs in the order of the request. Takes an `Idempotency-Key` for the whole.',
    body: jobBatchRequest,
    response: { 201: jobBatch },
    errors: ['contradictory_options', ...submissionErrors],
    docs: {
      request: { jobs: [jobRequestExample] },
      response: { object: 'list', data: [jobExample] },
    },
    handler: createJobs,
  });
  defineRoute(app, context, {
    method: 'GET',
    url: '/v1/jobs',
    scope: 'read',
    tag: 'Jobs',
    summary: 'List jobs',
    description: 'Newest first. `after` is the id of the last job of the page before.',
    query: listQuery,
    response: { 200: jobList },
    docs: { response: { object: 'list', data: [jobExample], has_more: false } },
    handler: listJobs,
  });
  defineRoute(app, context, {
    method: 'GET',
    url: '/v1/jobs/:id',
    scope: 'read',
    tag: 'Jobs',
    summary: 'Get a job',
    description: 'With `?wait=60` the answer comes at the next change of status, or after so many seconds.',
    params: jobParams,
    query: getQuery,
    response: { 200: jobResource },
    errors: ['not_found'],
    docs: { response: jobExample },
    handler: getJob,
  });
  defineRoute(app, context, {
    method: 'DELETE',
    url: '/v1/jobs/:id',
    scope: 'train',
    tag: 'Jobs',
    summary: 'Delete a finished job',
    description: 'Takes its events and checkpoints along; a published model stays.',
    params: jobParams,
    body: noBody,
    response: { 200: deletedResource },
    errors: ['not_found', 'wrong_state'],
    docs: { response: { id: jobExample.id, object: 'training.job', deleted: true } },
    handler: deleteJob,
  });
};
