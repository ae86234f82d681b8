import { createHash } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { ApiContext } from '../context.ts';
import { type Call, defineRoute } from '../http/define-route.ts';
import { sendDownload } from '../http/download.ts';
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
  const { content } = weights;
  return sendDownload(request, reply, {
    ...weights,
    type: 'application/vnd.safetensors',
    filename: `${id}.safetensors`,
    open: (range) =>
      content === null
        ? store.artifacts.stream(path, range)
        : content.subarray(range?.start, range && range.end + 1),
  });
};

/** The weights of a model, for PyTorch and others. */
export const registerModelWeightsRoute = (app: FastifyInstance, context: ApiContext): void => {
  const safetensors = {
    'application/vnd.safetensors': { schema: z.string().meta({ format: 'binary' }) },
  };
  defineRoute(app, context, {
    method: 'GET',
    url: '/v1/models/:id/weights',
    scope: 'read',
    tag: 'Models',
    summary: 'Download the weights of a model',
    description:
      "A safetensors file with PyTorch's names, gate order and shapes, float32 parameters only, for a checkpoint too; or one range of it. The ETag is the sha256.",
    params: modelParams,
    response: {
      200: { description: 'The file.', content: safetensors },
      206: { description: 'The range that was asked for.', content: safetensors },
      304: { description: 'The client has it already.' },
    },
    errors: ['not_found', 'data_missing', 'artifact_corrupt', 'range_not_satisfiable'],
    handler: getWeights,
  });
};
