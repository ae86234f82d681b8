import {
  type ActivationsResource,
  activationsRequest,
  activationsResource,
  maxActivationCharacters,
} from '@unfold/contracts';
import type { FastifyInstance } from 'fastify';
import type { z } from 'zod';
import type { ApiContext } from '../context.ts';
import { type Call, defineRoute } from '../http/define-route.ts';
import { goneSignal } from '../http/gone-signal.ts';
import { modelParams, requireId } from '../http/parameters.ts';
import { reserveTokens } from '../limits/quota.ts';
import { settling } from '../limits/settled-tokens.ts';
import { activationsExample, activationsRequestExample } from './examples.ts';

type ActivationsCall = Call<{
  params: z.output<typeof modelParams>;
  body: z.output<typeof activationsRequest>;
}>;

const rounded = (value: number): number => Math.round(value * 1e5) / 1e5;

const watchUnits = async ({
  context,
  project,
  params,
  body,
  request,
  reply,
}: ActivationsCall): Promise<ActivationsResource> => {
  const model = await context.models.find(project, requireId('model', params.id), 'id');
  const signal = goneSignal(reply, context.closing);
  const { input, context: conditionedOn, layer, units, limit } = body;
  const options = {
    ...{ text: input, context: conditionedOn, limit, longest: maxActivationCharacters },
    ...(layer != null && { layer }),
    ...(units != null && { units }),
  };
  const most = input.length;
  const settle = await reserveTokens(context, request, reply, most);
  const found = await settling(
    { most, settle, signal },
    () => context.inference.activations(model.source, options, signal),
    ({ tokens }) => tokens.length,
  );
  context.metrics.inferenceTokens.inc({ kind: 'prompt' }, found.tokens.length);
  return {
    object: 'activations',
    ...found,
    units: found.units.map((unit) => ({
      ...unit,
      mean: rounded(unit.mean),
      deviation: rounded(unit.deviation),
      values: Array.from(unit.values, rounded),
    })),
  };
};

/** What happens inside of a network while it reads. */
export const registerActivationsRoute = (app: FastifyInstance, context: ApiContext): void => {
  defineRoute(app, context, {
    method: 'POST',
    url: '/v1/models/:id/activations',
    scope: 'infer',
    tag: 'Inference',
    summary: 'Watch the hidden units',
    description:
      'The values of hidden units over a text, after each of its tokens: those that generation goes on with. Of a model that writes text; one ' +
      'with a `context` needs it. Unless `units` names them, those that vary most over the text are answered for.',
    params: modelParams,
    body: activationsRequest,
    response: { 200: activationsResource },
    errors: ['not_found', 'overloaded', 'limit_exceeded', 'artifact_corrupt'],
    docs: { request: activationsRequestExample, response: activationsExample },
    handler: watchUnits,
  });
};
