import {
  type PredictionInput,
  type PredictRequest,
  predictRequest,
  predictResource,
} from '@unfold/contracts';
import type { FastifyInstance } from 'fastify';
import type { z } from 'zod';
import type { ApiContext } from '../context.ts';
import { type Call, defineRoute } from '../http/define-route.ts';
import { goneSignal } from '../http/gone-signal.ts';
import { modelParams, requireId } from '../http/parameters.ts';
import { reserveTokens } from '../limits/quota.ts';
import { settling } from '../limits/settled-tokens.ts';
import { predictExample, predictRequestExample } from './examples.ts';

type PredictCall = Call<{ params: z.output<typeof modelParams>; body: PredictRequest }>;

/** What a prediction is charged, whatever the model makes of its input: every character and every number. */
const tokensIn = (input: PredictionInput | number): number => {
  if (typeof input === 'number') return 1;
  if (typeof input === 'string') return input.length;
  return (input as (PredictionInput | number)[]).reduce<number>((total, each) => total + tokensIn(each), 0);
};

const predictSequences = async ({ context, project, params, body, request, reply }: PredictCall) => {
  const model = await context.models.find(project, requireId('model', params.id), 'id');
  const { input, steps, beam_width } = body;
  const signal = goneSignal(reply, context.closing);
  const options = { ...(steps != null && { steps }), ...(beam_width != null && { beam_width }) };
  const most = tokensIn(input) + (steps ?? 0);
  const settle = await reserveTokens(context, request, reply, most);
  const data = await settling(
    { most, settle, signal },
    () =>
      context.inference.predict(
        model.source,
        { input, longest: context.config.limits.sequenceLength, options },
        signal,
      ),
    () => most,
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
