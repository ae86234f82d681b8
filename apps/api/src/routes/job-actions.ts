import { jobResource, type ResumeRequest, resumeRequest } from '@unfold/contracts';
import type { FastifyInstance } from 'fastify';
import type { z } from 'zod';
import type { ApiContext } from '../context.ts';
import { type Call, defineRoute } from '../http/define-route.ts';
import { jobParams, noBody, requireId } from '../http/parameters.ts';
import { askOfJob, resumeJob } from '../jobs/job-actions.ts';
import { quotaOf } from '../limits/quota.ts';
import { jobExample } from './examples.ts';

type Params = { params: z.output<typeof jobParams> };

const cancelJob = ({ context, project, params }: Call<Params>) =>
  askOfJob(context, project, requireId('job', params.id), 'cancel');

const pauseJob = ({ context, project, params }: Call<Params>) =>
  askOfJob(context, project, requireId('job', params.id), 'pause');

const resume = (call: Call<Params & { body: ResumeRequest | undefined }>) => {
  const { context, project, params, body, request } = call;
  return resumeJob(context, project, requireId('job', params.id), quotaOf(request), body);
};

/** What can be asked of a job. The job table decides; a running job's worker is told at once. */
export const registerJobActionRoutes = (app: FastifyInstance, context: ApiContext): void => {
  const common = {
    method: 'POST' as const,
    scope: 'train' as const,
    tag: 'Jobs',
    params: jobParams,
    response: { 200: jobResource },
  };
  defineRoute(app, context, {
    ...common,
    url: '/v1/jobs/:id/cancel',
    summary: 'Cancel a job',
    description:
      'Acts at once on a queued or paused job; a running one ends within a second. Repeating it answers 200.',
    body: noBody,
    errors: ['not_found', 'wrong_state'],
    docs: {
      response: { ...jobExample, status: 'cancelled', queue_position: null, ended_at: jobExample.created_at },
    },
    handler: cancelJob,
  });
  defineRoute(app, context, {
    ...common,
    url: '/v1/jobs/:id/pause',
    summary: 'Pause a job',
    description: 'A running job writes a checkpoint first and frees its device. Repeating it answers 200.',
    body: noBody,
    errors: ['not_found', 'wrong_state'],
    docs: { response: { ...jobExample, status: 'paused', queue_position: null } },
    handler: pauseJob,
  });
  defineRoute(app, context, {
    ...common,
    url: '/v1/jobs/:id/resume',
    summary: 'Resume a job',
    description:
      'Queues a paused job again, or withdraws a pending pause. A failed or cancelled job goes on from its newest checkpoint, and may be given more `epochs` or `max_steps`. From then on it counts against the quotas of the key that resumed it.',
    body: resumeRequest.optional(),
    errors: ['not_found', 'wrong_state', 'impossible_with_data', 'queue_full', 'quota_exceeded'],
    docs: { request: { epochs: 20 }, response: jobExample },
    handler: resume,
  });
};
