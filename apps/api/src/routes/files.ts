import {
  deletedResource,
  type FileResource,
  fileList,
  fileListQuery,
  fileResource,
  UnfoldError,
} from '@unfold/contracts';
import type { FastifyInstance } from 'fastify';
import type { z } from 'zod';
import type { ApiContext } from '../context.ts';
import { type Call, defineRoute } from '../http/define-route.ts';
import { idempotencyKey } from '../http/idempotency.ts';
import { fileParams, noBody, requireId } from '../http/parameters.ts';
import { abandonBody, openUpload } from '../http/upload.ts';
import { quotaOf } from '../limits/quota.ts';
import { fileExample, uploadBody } from './examples.ts';

type Params = { params: z.output<typeof fileParams> };

/** Boundaries and part headers around the file. */
const multipartOverheadBytes = 64 * 1024;

const createFile = async ({ context, project, request, reply }: Call): Promise<FileResource> => {
  const limit = context.config.limits.uploadBytes;
  const announced = Number(request.headers['content-length'] ?? 0);
  try {
    if (announced > limit + multipartOverheadBytes)
      throw new UnfoldError('payload_too_large', `file: expected at most ${limit} bytes.`, { param: 'file' });
    const idempotency = idempotencyKey(request);
    const upload = await openUpload(request, limit);
    const { resource, replayed } = await context.store.files.create(project, {
      filename: upload.filename,
      // Read by the store when the content has come to its end.
      get purpose() {
        return upload.purpose;
      },
      get expires_after() {
        return upload.expiresAfter;
      },
      upload: upload.content,
      limit_bytes: limit,
      quota: quotaOf(request),
      ...(idempotency && { idempotency }),
    });
    if (replayed) reply.header('idempotent-replayed', 'true');
    reply.code(201).header('location', `/v1/files/${resource.id}`);
    return resource;
  } catch (error) {
    abandonBody(request);
    throw error;
  }
};

const listFiles = ({ context, project, query }: Call<{ query: z.output<typeof fileListQuery> }>) =>
  context.store.files.list(project, query);

const getFile = ({ context, project, params }: Call<Params>) =>
  context.store.files.get(project, requireId('file', params.id));

const deleteFile = async ({ context, project, params }: Call<Params>) => {
  const deleted = await context.store.files.remove(project, requireId('file', params.id));
  context.files.forget();
  return deleted;
};

/** Uploads, and what was seen of them on the way. */
export const registerFileRoutes = (app: FastifyInstance, context: ApiContext): void => {
  defineRoute(app, context, {
    method: 'POST',
    url: '/v1/files',
    scope: 'train',
    upload: true,
    tag: 'Files',
    summary: 'Upload a file',
    description:
      'Multipart with the fields `file` and `purpose`, in any order, and `expires_after[anchor]` with `expires_after[seconds]` for a file that deletes itself. The file is streamed to disk; its bytes, sha256, characters, ' +
      'lines and first invalid UTF-8 offset are recorded on the way. An upload that breaks off leaves nothing behind. Takes an `Idempotency-Key`.',
    response: { 201: fileResource },
    errors: [
      'upload_interrupted',
      'missing_field',
      'unknown_field',
      'payload_too_large',
      'unsupported_media_type',
      'idempotency_mismatch',
      'idempotency_in_progress',
      'storage_full',
      'quota_exceeded',
    ],
    docs: { requestBody: uploadBody, response: fileExample },
    handler: createFile,
  });
  defineRoute(app, context, {
    method: 'GET',
    url: '/v1/files',
    scope: 'read',
    tag: 'Files',
    summary: 'List files',
    description:
      'Newest first, unless `order` is `asc`. `after` is the id of the last file of the page before, which may have been deleted since.',
    query: fileListQuery,
    response: { 200: fileList },
    docs: { response: { object: 'list', data: [fileExample], has_more: false } },
    handler: listFiles,
  });
  defineRoute(app, context, {
    method: 'GET',
    url: '/v1/files/:id',
    scope: 'read',
    tag: 'Files',
    summary: 'Get a file',
    description: 'What the upload recorded about the file.',
    params: fileParams,
    response: { 200: fileResource },
    errors: ['not_found'],
    docs: { response: fileExample },
    handler: getFile,
  });
  defineRoute(app, context, {
    method: 'DELETE',
    url: '/v1/files/:id',
    scope: 'train',
    tag: 'Files',
    summary: 'Delete a file',
    description: 'Refused with `in_use`, naming the job, while an unfinished job uses the file.',
    params: fileParams,
    body: noBody,
    response: { 200: deletedResource },
    errors: ['not_found', 'in_use'],
    docs: { response: { id: fileExample.id, object: 'file', deleted: true } },
    handler: deleteFile,
  });
};
