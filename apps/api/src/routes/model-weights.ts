import { createHash } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { ApiContext } from '../context.ts';
import { attachment, isUnchanged } from '../http/conditional.ts';
import { type Call, defineRoute } from '../http/define-route.ts';
import { goneSignal } from '../http/gone-signal.ts';
import { modelParams, requireId } from '../http/parameters.ts';
import { findModel } from '../inference/find-model.ts';

type WeightsCall = Call<{ params: z.output<typeof modelParams> }>;

/** A checkpoint is stored with the optimizer's state; who asks for weights gets the parameters alone. */
const exportCheckpoint = async (
  { context, reply }: WeightsCall,
  source: Parameters<ApiContext['inference']['exportCheckpoint']>[0],
) => {
  const exported = await context.inference.exportCheckpoint(source, goneSignal(reply, context.closing));
  return {
    content: Buffer.from(exported),
    bytes: exported.length,
    sha256: createHash('sha256').update(exported).digest('hex'),
  };
};

const getWeights = async (call: WeightsCall) => {
  const { context, project, params, request, reply } = call;
  const { store } = context;
  const { id, source, path } = await findModel(store, project, requireId('model', params.id), 'id');
  const weights =
    source.kind === 'checkpoint' ? await exportCheckpoint(call, source) : { ...source, content: null };
  if (isUnchanged(request, reply, weights.sha256)) return reply.send();
  return reply
    .header('content-type', 'application/vnd.safetensors')
    .header('content-length', weights.bytes)
    .header('content-disposition', attachment(`${id}.safetensors`))
    .send(weights.content ?? (await store.artifacts.stream(path)));
};

/** The weights of a model, for PyTorch and others. */
export const registerModelWeightsRoute = (app: FastifyInstance, context: ApiContext): void => {
  defineRoute(app, context, {
    method: 'GET',
    url: '/v1/models/:id/weights',
    head: false,
    scope: 'read',
    tag: 'Models',
    summary: 'Download the weights of a model',
    description:
      "A safetensors file with PyTorch's names, gate order and shapes, float32 parameters only, for a checkpoint too. The ETag is the sha256.",
    params: modelParams,
    response: {
      200: {
        description: 'The file.',
        content: { 'application/vnd.safetensors': { schema: z.string().meta({ format: 'binary' }) } },
      },
      304: { description: 'The client has it already.' },
    },
    errors: ['not_found', 'data_missing', 'artifact_corrupt'],
    handler: getWeights,
  });
};
