import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { ApiContext } from '../context.ts';
import { attachment, isUnchanged } from '../http/conditional.ts';
import { type Call, defineRoute } from '../http/define-route.ts';
import { modelParams, requireId } from '../http/parameters.ts';

const getWeights = async ({
  context,
  project,
  params,
  request,
  reply,
}: Call<{ params: z.output<typeof modelParams> }>) => {
  const { store } = context;
  const located = await store.models.locate(project, requireId('model', params.id));
  if (isUnchanged(request, reply, located.sha256)) return reply.send();
  const content = await store.artifacts.stream(located.path);
  return reply
    .header('content-type', 'application/vnd.safetensors')
    .header('content-length', located.bytes)
    .header('content-disposition', attachment(`${located.id}.safetensors`))
    .send(content);
};

/** The weights of a model, for PyTorch and others. */
export const registerModelWeightsRoute = (app: FastifyInstance, context: ApiContext): void => {
  defineRoute(app, context, {
    method: 'GET',
    url: '/v1/models/:id/weights',
    scope: 'read',
    tag: 'Models',
    summary: 'Download the weights of a model',
    description:
      "A safetensors file with PyTorch's names, gate order and shapes; a checkpoint's also holds the optimizer's state. The ETag is the sha256.",
    params: modelParams,
    response: {
      200: {
        description: 'The file.',
        content: { 'application/vnd.safetensors': { schema: z.string().meta({ format: 'binary' }) } },
      },
      304: { description: 'The client has it already.' },
    },
    errors: ['not_found', 'data_missing'],
    handler: getWeights,
  });
};
