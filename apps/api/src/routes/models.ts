import {
  deletedResource,
  type ModelImportRequest,
  type ModelResource,
  modelImportRequest,
  modelList,
  modelListQuery,
  modelResource,
  UnfoldError,
} from '@unfold/contracts';
import { type Created, type LocatedFile, newId } from '@unfold/store';
import type { FastifyInstance } from 'fastify';
import type { z } from 'zod';
import type { ApiContext } from '../context.ts';
import { type Call, defineRoute } from '../http/define-route.ts';
import { goneSignal } from '../http/gone-signal.ts';
import { idempotencyOf } from '../http/idempotency.ts';
import { modelParams, noBody, requireId, unknown } from '../http/parameters.ts';
import { quotaOf } from '../limits/quota.ts';
import { modelExample, modelImportExample } from './examples.ts';

type Params = { params: z.output<typeof modelParams> };

const listModels = ({ context, project, query }: Call<{ query: z.output<typeof modelListQuery> }>) =>
  context.store.models.list(project, query);

const getModel = ({ context, project, params }: Call<Params>) =>
  context.store.models.get(project, requireId('model', params.id));

const deleteModel = async ({ context, project, params }: Call<Params>) => {
  const deleted = await context.store.models.remove(project, requireId('model', params.id));
  context.models.forget();
  return deleted;
};

const findFile = async ({ store }: ApiContext, project: string, id: string): Promise<LocatedFile> => {
  try {
    await store.files.get(project, id);
  } catch (error) {
    if (error instanceof UnfoldError && error.code === 'not_found') throw unknown('file', id, 'file');
    throw error;
  }
  return store.files.locate(id);
};

type ImportCall = Call<{ body: ModelImportRequest }>;

const inspectUpload = async ({ context, project, body, reply }: ImportCall) => {
  const { store, config, inference } = context;
  const file = await findFile(context, project, body.file);
  if (file.bytes === 0) throw new UnfoldError('empty_file', `file: ${file.id} is empty.`, { param: 'file' });
  const found = await inference.inspect(
    { path: store.artifacts.absolute(file.path), sha256: file.sha256, bytes: file.bytes },
    { header_bytes: config.limits.safetensorsHeaderBytes, parameters: config.limits.modelParameters },
    goneSignal(reply, context.closing),
  );
  return { file, found };
};

/** Imports a file that was not imported before with this `Idempotency-Key`. */
const importOnce = async (call: ImportCall): Promise<Created<ModelResource>> => {
  const { project, body, request } = call;
  const { store } = call.context;
  const idempotency = idempotencyOf(request, body);
  const answer = idempotency && (await store.replay<ModelResource>(project, idempotency));
  if (answer) return { resource: answer, replayed: true };
  const { file, found } = await inspectUpload(call);
  const id = newId('model');
  // The model keeps weights of its own, so that the file may be deleted.
  const content = await store.artifacts.stream(file.path);
  const weights = await store.artifacts.write(`models/${id}/weights.safetensors`, content);
  let kept = false;
  try {
    const created = await store.models.create(
      project,
      { ...found, ...weights, id, name: body.name, quota: quotaOf(request) },
      idempotency,
    );
    kept = !created.replayed;
    return created;
  } finally {
    if (!kept) await store.artifacts.remove(weights.path);
  }
};

const importModel = async (call: ImportCall): Promise<ModelResource> => {
  const { resource, replayed } = await importOnce(call);
  call.context.models.forget();
  if (replayed) call.reply.header('idempotent-replayed', 'true');
  call.reply.code(201).header('location', `/v1/models/${resource.id}`);
  return resource;
};

/** Trained and imported models. */
export const registerModelRoutes = (app: FastifyInstance, context: ApiContext): void => {
  defineRoute(app, context, {
    method: 'GET',
    url: '/v1/models',
    scope: 'read',
    tag: 'Models',
    summary: 'List models',
    description: 'Newest first.',
    query: modelListQuery,
    response: { 200: modelList },
    docs: { response: { object: 'list', data: [modelExample], has_more: false } },
    handler: listModels,
  });
  defineRoute(app, context, {
    method: 'POST',
    url: '/v1/models',
    scope: 'train',
    tag: 'Models',
    summary: 'Import a model',
    description:
      'Makes a model of an uploaded safetensors file whose metadata hold `spec` and `tokenizer`. Everything is checked before anything of its size is allocated. Takes an `Idempotency-Key`.',
    body: modelImportRequest,
    response: { 201: modelResource },
    errors: [
      'not_found',
      'empty_file',
      'invalid_weights',
      'limit_exceeded',
      'idempotency_mismatch',
      'overloaded',
      'storage_full',
      'quota_exceeded',
    ],
    docs: { request: modelImportExample, response: modelExample },
    handler: importModel,
  });
  defineRoute(app, context, {
    method: 'GET',
    url: '/v1/models/:id',
    scope: 'read',
    tag: 'Models',
    summary: 'Get a model',
    description: 'By its id, by the id of a checkpoint, or by its name, where the newest wins.',
    params: modelParams,
    response: { 200: modelResource },
    errors: ['not_found'],
    docs: { response: modelExample },
    handler: getModel,
  });
  defineRoute(app, context, {
    method: 'DELETE',
    url: '/v1/models/:id',
    scope: 'train',
    tag: 'Models',
    summary: 'Delete a model',
    description: 'Calls that are using it run to their end.',
    params: modelParams,
    body: noBody,
    response: { 200: deletedResource },
    errors: ['not_found'],
    docs: { response: { id: modelExample.id, object: 'model', deleted: true } },
    handler: deleteModel,
  });
};
