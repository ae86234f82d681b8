import { type PredictRequest, predictRequest, predictResource } from '@unfold/contracts';
import type { FastifyInstance } from 'fastify';
import type { z } from 'zod';
import type { ApiContext } from '../context.ts';
import { type Call, defineRoute } from '../http/define-route.ts';
import { goneSignal } from '../http/gone-signal.ts';
import { modelParams, requireId } from '../http/parameters.ts';
import { predictExample, predictRequestExample } from './examples.ts';

type PredictCall = Call<{ params: z.output<typeof modelParams>; body: PredictRequest }>;

const predictSequences = async ({ context, project, params, body, reply }: PredictCall) => {
  const model = await context.models.find(project, requireId('model', params.id), 'id');
  const { input, steps, beam_width } = body;
  const data = await context.inference.predict(
    model.source,
    {
      input,
      longest: context.config.limits.sequenceLength,
      options: { ...(steps != null && { steps }), ...(beam_width != null && { beam_width }) },
    },
    goneSignal(reply, context.closing),
  );
  return { object: 'list', data };
};

/** What a model makes of sequences: their label, their tags, or values. */
export const registerPredictRoute = (app: FastifyInstance, context: ApiContext): void => {
  defineRoute(app, context, {
    method: 'POST',
    url: '/v1/models/:id/predict',
    scope: 'infer',
    tag: 'Inference',
    summary: 'Predict',
    description:
      'By the task that the model was trained for: a classification answers `{label, probabilities}`, a sequence labeling `{tags}`, or ' +
      '`{values}` where its outputs are vectors, a forecast the `{values}` of the `steps` that come after its input. One answer an input, in their order. A text may be one input, tokens and vectors ' +
      'come in lists; numbers are given and answered as they are in the file.',
    params: modelParams,
    body: predictRequest,
    response: { 200: predictResource },
    errors: ['not_found', 'overloaded', 'limit_exceeded', 'artifact_corrupt'],
    docs: { request: predictRequestExample, response: predictExample },
    handler: predictSequences,
  });
};
