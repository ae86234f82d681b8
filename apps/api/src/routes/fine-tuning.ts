import {
  type FineTuningJob,
  type FineTuningRequest,
  fineTuningJob,
  fineTuningJobList,
  fineTuningRequest,
  type JobResource,
  metadata,
  type Page,
  pageQuery,
} from '@unfold/contracts';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { ApiContext } from '../context.ts';
import { toFineTuningJobs } from '../fine-tuning/job-view.ts';
import { inRequestsNames, specOfRequest } from '../fine-tuning/spec-of-request.ts';
import { type Call, defineRoute } from '../http/define-route.ts';
import { idempotencyOf } from '../http/idempotency.ts';
import { jobParams, noBody, requireId } from '../http/parameters.ts';
import { askOfJob, resumeJob } from '../jobs/job-actions.ts';
import { submissionErrors, submitJob } from '../jobs/submit-job.ts';
import { quotaOf } from '../limits/quota.ts';
import { fineTuningJobExample, fineTuningRequestExample } from './examples.ts';

type Params = { params: z.output<typeof jobParams> };

/** What OpenAI's client sends for `null`, and what its documentation says. */
const nothing = z.literal(['', 'null']).transform(() => null);
const listQuery = pageQuery.extend({
  metadata: z.union([metadata, nothing]).optional().meta({
    description:
      'Only jobs with these labels: `metadata[key]=value`; `metadata=null`: only jobs without any.',
  }),
});

const toView = async (context: ApiContext, project: string, job: JobResource): Promise<FineTuningJob> =>
  (await toFineTuningJobs(context.store, project, [job]))[0]!;

const createJob = async ({ context, project, body, request, reply }: Call<{ body: FineTuningRequest }>) => {
  const idempotency = idempotencyOf(request, body);
  const { resource, replayed } = await submitJob(
    context,
    project,
    idempotency,
    () => specOfRequest(context, project, body),
    quotaOf(request),
  ).catch((error: unknown) => {
    throw inRequestsNames(error);
  });
  if (replayed) reply.header('idempotent-replayed', 'true');
  reply.header('location', `/v1/fine_tuning/jobs/${resource.id}`);
  return toView(context, project, resource);
};

const listJobs = async ({
  context,
  project,
  query,
}: Call<{ query: z.output<typeof listQuery> }>): Promise<Page<FineTuningJob>> => {
  const page = await context.store.jobs.list(project, query);
  return { ...page, data: await toFineTuningJobs(context.store, project, page.data) };
};

const getJob = async ({ context, project, params }: Call<Params>) =>
  toView(context, project, await context.store.jobs.get(project, requireId('job', params.id)));

const cancel = async ({ context, project, params }: Call<Params>) =>
  toView(context, project, await askOfJob(context, project, requireId('job', params.id), 'cancel'));

const pause = async ({ context, project, params }: Call<Params>) =>
  toView(context, project, await askOfJob(context, project, requireId('job', params.id), 'pause'));

const resume = async ({ context, project, params, request }: Call<Params>) =>
  toView(context, project, await resumeJob(context, project, requireId('job', params.id), quotaOf(request)));

/** OpenAI's fine-tuning API, over the jobs of `/v1/jobs`: the same ids, seen from both sides. */
export const registerFineTuningRoutes = (app: FastifyInstance, context: ApiContext): void => {
  defineRoute(app, context, {
    method: 'POST',
    url: '/v1/fine_tuning/jobs',
    scope: 'train',
    tag: 'Fine-tuning',
    summary: 'Fine-tune a model',
    description:
      "Trains the network of `model` further, on other data of the same format, with the task, the optimizer and the window of the model's own training. " +
      'Hyper-parameters left to `auto` are chosen by the size of the data. Takes an `Idempotency-Key`.',
    body: fineTuningRequest,
    response: { 200: fineTuningJob },
    errors: submissionErrors,
    docs: { request: fineTuningRequestExample, response: fineTuningJobExample },
    handler: createJob,
  });
  defineRoute(app, context, {
    method: 'GET',
    url: '/v1/fine_tuning/jobs',
    scope: 'read',
    tag: 'Fine-tuning',
    summary: 'List fine-tuning jobs',
    description: 'Every training job, those without a starting model too. Newest first.',
    query: listQuery,
    response: { 200: fineTuningJobList },
    docs: { response: { object: 'list', data: [fineTuningJobExample], has_more: false } },
    handler: listJobs,
  });
  const one = {
    scope: 'train' as const,
    tag: 'Fine-tuning',
    params: jobParams,
    response: { 200: fineTuningJob },
  };
  defineRoute(app, context, {
    ...one,
    method: 'GET',
    url: '/v1/fine_tuning/jobs/:id',
    scope: 'read',
    summary: 'Get a fine-tuning job',
    description: '`fine_tuned_model` is there once it has succeeded.',
    errors: ['not_found'],
    docs: { response: fineTuningJobExample },
    handler: getJob,
  });
  defineRoute(app, context, {
    ...one,
    method: 'POST',
    url: '/v1/fine_tuning/jobs/:id/cancel',
    summary: 'Cancel a fine-tuning job',
    description: 'As `POST /v1/jobs/{id}/cancel`.',
    body: noBody,
    errors: ['not_found', 'wrong_state'],
    docs: { response: { ...fineTuningJobExample, status: 'cancelled', finished_at: 1_795_377_610 } },
    handler: cancel,
  });
  defineRoute(app, context, {
    ...one,
    method: 'POST',
    url: '/v1/fine_tuning/jobs/:id/pause',
    summary: 'Pause a fine-tuning job',
    description: 'As `POST /v1/jobs/{id}/pause`.',
    body: noBody,
    errors: ['not_found', 'wrong_state'],
    docs: { response: { ...fineTuningJobExample, status: 'paused' } },
    handler: pause,
  });
  defineRoute(app, context, {
    ...one,
    method: 'POST',
    url: '/v1/fine_tuning/jobs/:id/resume',
    summary: 'Resume a fine-tuning job',
    description: 'As `POST /v1/jobs/{id}/resume`, without changes.',
    body: noBody,
    errors: ['not_found', 'wrong_state', 'impossible_with_data', 'queue_full', 'quota_exceeded'],
    docs: { response: fineTuningJobExample },
    handler: resume,
  });
};
