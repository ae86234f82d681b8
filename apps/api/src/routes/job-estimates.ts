import { estimateResource, type JobSpec, jobSpec, previewResource } from '@unfold/contracts';
import type { FastifyInstance } from 'fastify';
import type { ApiContext } from '../context.ts';
import { type Call, defineRoute } from '../http/define-route.ts';
import { goneSignal } from '../http/gone-signal.ts';
import { estimateTime, estimateTraining, type TrainingNeeds } from '../inference/estimate-training.ts';
import { admissionErrors, admitJob, requireText } from '../jobs/admission.ts';
import { estimateExample, jobRequestExample, previewExample } from './examples.ts';

type SpecCall = Call<{ body: JobSpec }>;

/** Of the largest file that is counted for an estimate alone. */
const mostCountedBytes = 1 << 19;

const needsOf = async ({ context, project, body, reply }: SpecCall): Promise<TrainingNeeds> => {
  const { file, validation, data, estimate } = await admitJob(context, project, body);
  if (estimate.exact) return estimate;
  const { artifacts } = context.store;
  const counted = await context.inference.count(
    {
      spec: body,
      data: artifacts.absolute(file.path),
      validation: validation && artifacts.absolute(validation.path),
      mostBytes: mostCountedBytes,
    },
    goneSignal(reply, context.closing),
  );
  return counted === null ? estimate : estimateTraining(body, file, data, counted);
};

const estimateJob = async (call: SpecCall) => {
  const { context, project, body } = call;
  const needs = await needsOf(call);
  const { task, model, engine } = body;
  const wanted = { task, cell: model.cell, engine: engine === 'auto' ? null : engine };
  const { system, workers } = context.store;
  const [speeds, blocked] = await Promise.all([system.speeds(project, wanted), workers.blocked(body)]);
  return { ...needs, ...estimateTime(needs, body, speeds), blocked };
};

const previewJob = async ({ context, project, body, reply }: SpecCall) => {
  const file = await context.files.find(project, body.file, 'file');
  requireText(file, body, 'file');
  const path = context.store.artifacts.absolute(file.path);
  const preview = await context.inference.preview(body, path, goneSignal(reply, context.closing));
  return { object: 'training.preview', ...preview };
};

/** What can be known of a job before it is posted. */
export const registerJobEstimateRoutes = (app: FastifyInstance, context: ApiContext): void => {
  defineRoute(app, context, {
    method: 'POST',
    url: '/v1/jobs/estimate',
    scope: 'read',
    tag: 'Jobs',
    summary: 'Estimate a job',
    description:
      'What a job would need, without posting it: memory by arithmetic, time by what earlier jobs took. The vocabulary of a file of at most ' +
      'half a megabyte is counted; that of a larger one is bounded. Takes the same body as a job and gives the same errors.',
    body: jobSpec,
    response: { 200: estimateResource },
    errors: ['contradictory_options', ...admissionErrors, 'data_missing', 'overloaded'],
    docs: { request: jobRequestExample, response: estimateExample },
    handler: estimateJob,
  });
  defineRoute(app, context, {
    method: 'POST',
    url: '/v1/jobs/preview',
    scope: 'read',
    tag: 'Jobs',
    summary: "Preview a job's data",
    description:
      "What the beginning of a job's file becomes under its options, without posting it: tokens, vocabulary, lengths. At most half a megabyte is " +
      'read, and what is counted is counted in that. Takes the same body as a job.',
    body: jobSpec,
    response: { 200: previewResource },
    errors: [
      'contradictory_options',
      'not_found',
      'empty_file',
      'invalid_utf8',
      'invalid_data',
      'limit_exceeded',
      'data_missing',
      'overloaded',
    ],
    docs: { request: jobRequestExample, response: previewExample },
    handler: previewJob,
  });
};
