import { filePreview } from '@unfold/contracts';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { ApiContext } from '../context.ts';
import { type Call, defineRoute } from '../http/define-route.ts';
import { sendDownload } from '../http/download.ts';
import { fileParams, requireId } from '../http/parameters.ts';
import { fileExample } from './examples.ts';

type Params = { params: z.output<typeof fileParams> };

const previewQuery = z.strictObject({
  characters: z.coerce.number().int().min(1).max(100_000).default(1000).meta({
    description: 'How many characters to show.',
  }),
});

/** The longest UTF-8 sequence. */
const bytesPerCharacter = 4;

const getFileContent = async ({ context, project, params, request, reply }: Call<Params>) => {
  const id = requireId('file', params.id);
  const file = await context.store.files.get(project, id);
  return sendDownload(request, reply, {
    ...file,
    type: 'application/octet-stream',
    open: async (range) => {
      const { path } = await context.store.files.locate(id);
      return context.store.artifacts.stream(path, range);
    },
  });
};

const readStart = async (context: ApiContext, id: string, bytes: number): Promise<Buffer> => {
  if (bytes === 0) return Buffer.alloc(0);
  const { path } = await context.store.files.locate(id);
  const chunks: Buffer[] = [];
  for await (const chunk of await context.store.artifacts.stream(path, { start: 0, end: bytes - 1 }))
    chunks.push(chunk);
  return Buffer.concat(chunks);
};

const getFilePreview = async ({
  context,
  project,
  params,
  query,
}: Call<Params & { query: z.output<typeof previewQuery> }>) => {
  const id = requireId('file', params.id);
  const file = await context.store.files.get(project, id);
  const start = await readStart(context, id, Math.min(file.bytes, query.characters * bytesPerCharacter));
  // In streaming mode a sequence that is cut at the end is held back instead of shown as damaged.
  const decoded = new TextDecoder('utf-8', { ignoreBOM: true }).decode(start, {
    stream: start.length < file.bytes,
  });
  const characters = Array.from(decoded.replaceAll('\u0000', '\uFFFD'));
  const text = characters.slice(0, query.characters).join('');
  return {
    id,
    object: 'file.preview',
    text,
    truncated: characters.length > query.characters || start.length < file.bytes,
  };
};

/** What is in a file: all of it as a download, or its beginning as text. */
export const registerFileContentRoutes = (app: FastifyInstance, context: ApiContext): void => {
  const octets = { 'application/octet-stream': { schema: z.string().meta({ format: 'binary' }) } };
  defineRoute(app, context, {
    method: 'GET',
    url: '/v1/files/:id/content',
    scope: 'read',
    tag: 'Files',
    summary: 'Download a file',
    description: 'The bytes as they were uploaded, or one range of them. The ETag is the sha256.',
    params: fileParams,
    response: {
      200: { description: 'The bytes.', content: octets },
      206: { description: 'The range that was asked for.', content: octets },
      304: { description: 'The client has them already.' },
    },
    errors: ['not_found', 'data_missing', 'range_not_satisfiable'],
    handler: getFileContent,
  });
  defineRoute(app, context, {
    method: 'GET',
    url: '/v1/files/:id/preview',
    scope: 'read',
    tag: 'Files',
    summary: 'Preview a file',
    description: 'The first characters as text.',
    params: fileParams,
    query: previewQuery,
    response: { 200: filePreview },
    errors: ['not_found', 'data_missing'],
    docs: {
      response: { id: fileExample.id, object: 'file.preview', text: 'Call me Ishmael.', truncated: true },
    },
    handler: getFilePreview,
  });
};
