import fastifyMultipart from '@fastify/multipart';
import {
  type ErrorCode,
  errorCatalogue,
  errorEnvelope,
  type KeyScope,
  parseRequest,
  UnfoldError,
} from '@unfold/contracts';
import type { FastifyInstance, FastifyReply, FastifyRequest, FastifySchema } from 'fastify';
import { z } from 'zod';
import type { ApiContext } from '../context.ts';
import { atOnce } from './at-once.ts';
import { noQuery } from './parameters.ts';
import { abandonBody } from './upload.ts';

/** What a handler is called with: validated input, the project of the caller, and the server's parts. */
export interface Call<Parts extends { params?: unknown; query?: unknown; body?: unknown } = object> {
  params: Parts extends { params: infer P } ? P : unknown;
  query: Parts extends { query: infer Q } ? Q : unknown;
  body: Parts extends { body: infer B } ? B : unknown;
  project: string;
  request: FastifyRequest;
  reply: FastifyReply;
  context: ApiContext;
}

/** An answer that is not plain JSON, for the OpenAPI document. Without `content` it has no body. */
export interface Content {
  description: string;
  content?: Record<string, { schema: z.ZodType }>;
}

export interface RouteDocs {
  /** Example of the request's body. */
  request?: unknown;
  /** Example of the successful answer's body. */
  response?: unknown;
  /** A request body that is not validated from a schema (multipart), as OpenAPI writes it. */
  requestBody?: object;
}

interface Definition<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType> {
  method: 'GET' | 'POST' | 'DELETE';
  url: string;
  /** Which scope a key needs; null: none, not even a key. */
  scope: KeyScope | null;
  tag: string;
  summary: string;
  description: string;
  params?: P;
  query?: Q;
  body?: B;
  /** Success status → schema of the JSON answer, or its other content. */
  response: Record<number, z.ZodType | Content>;
  /** Whether a GET answers HEAD as well: not where the answer is a stream, which would be read for nothing. */
  head?: false;
  /** Whether the body is multipart. */
  upload?: boolean;
  /** What may go wrong beside what may go wrong everywhere. */
  errors?: ErrorCode[];
  docs?: RouteDocs;
  handler: (call: Call<{ params: z.output<P>; query: z.output<Q>; body: z.output<B> }>) => Promise<unknown>;
}

const everywhere: ErrorCode[] = [
  'invalid_value',
  'forbidden_host',
  'rate_limited',
  'internal',
  'unavailable',
];
const guarded: ErrorCode[] = ['invalid_api_key', 'insufficient_scope'];

const isContent = (value: z.ZodType | Content): value is Content => !(value instanceof z.ZodType);

/** Error answers by status, each naming its codes. */
const errorResponses = (codes: ErrorCode[]): Record<string, Content> => {
  const statuses = [...new Set(codes.map((code) => errorCatalogue[code].status))].sort((a, b) => a - b);
  const namesOf = (status: number) =>
    [...new Set(codes)].filter((code) => errorCatalogue[code].status === status).map((code) => `\`${code}\``);
  return Object.fromEntries(
    statuses.map((status) => [
      String(status),
      {
        description: `Error: ${namesOf(status).join(', ')}.`,
        content: { 'application/json': { schema: errorEnvelope } },
      },
    ]),
  );
};

export const routeSchema = <P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType>(
  route: Omit<Definition<P, Q, B>, 'handler'>,
): FastifySchema => {
  const codes = [...everywhere, ...(route.scope === null ? [] : guarded), ...(route.errors ?? [])];
  if (route.body)
    codes.push(
      'malformed_body',
      'missing_field',
      'unknown_field',
      'payload_too_large',
      'unsupported_media_type',
    );
  if (route.method !== 'GET') codes.push('forbidden_origin');
  const success = Object.entries(route.response).map(([status, value]) => [
    status,
    isContent(value)
      ? value.content
        ? value
        : z.undefined().describe(value.description)
      : { description: describe(Number(status)), content: { 'application/json': { schema: value } } },
  ]);
  return {
    tags: [route.tag],
    summary: route.summary,
    description: route.description,
    operationId: operationId(route.method, route.url),
    ...(route.scope === null ? { security: [] } : {}),
    ...(route.params && { params: route.params }),
    querystring: route.query ?? noQuery,
    ...(route.body && { body: route.body }),
    response: { ...Object.fromEntries(success), ...errorResponses(codes) },
  } as FastifySchema;
};

const describe = (status: number): string => ({ 201: 'Created.', 200: 'OK.' })[status] ?? 'OK.';

const operationId = (method: string, url: string): string => {
  const words = url
    .replace(/^\/v1\//, '')
    .split(/[/:._]+/)
    .filter(Boolean);
  return [method.toLowerCase(), ...words.map((word) => word[0]!.toUpperCase() + word.slice(1))].join('');
};

const multipart = /^multipart\/form-data\b/i;

const requireMultipart = (request: FastifyRequest): void => {
  if (multipart.test(request.headers['content-type'] ?? '')) return;
  abandonBody(request);
  throw new UnfoldError('unsupported_media_type', 'expected the header content-type: multipart/form-data.');
};

const addRoute = <P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType>(
  app: FastifyInstance,
  context: ApiContext,
  route: Definition<P, Q, B>,
): void => {
  app.route({
    method: route.method,
    url: route.url,
    schema: routeSchema(route),
    config: {
      scope: route.scope,
      docs: route.docs,
      idempotent: route.errors?.includes('idempotency_mismatch') ?? false,
    },
    exposeHeadRoute: route.method === 'GET' && route.head !== false,
    ...(route.upload && { onRequest: atOnce(requireMultipart) }),
    preValidation: atOnce((request) => {
      // Fastify's validation takes null for an absent body.
      if (request.body === null && route.body && !route.body.safeParse(undefined).success)
        parseRequest(route.body, null);
    }),
    handler: async (request, reply) =>
      route.handler({
        params: request.params as z.output<P>,
        query: request.query as z.output<Q>,
        body: request.body as z.output<B>,
        project: request.identity?.project ?? 'default',
        request,
        reply,
        context,
      } as Parameters<typeof route.handler>[0]),
  });
};

/** Adds one route: its validation, its scope, its documentation and its handler, from one definition. */
export const defineRoute = <P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType>(
  app: FastifyInstance,
  context: ApiContext,
  route: Definition<P, Q, B>,
): void => {
  if (!route.upload) {
    addRoute(app, context, route);
    return;
  }
  // The plugin has hooks that every request of its scope would pass, so that it gets one of its own.
  app.register(async (uploads) => {
    await uploads.register(fastifyMultipart, { throwFileSizeLimit: false });
    addRoute(uploads, context, route);
  });
};

declare module 'fastify' {
  interface FastifyContextConfig {
    docs?: RouteDocs | undefined;
    /** Whether an `Idempotency-Key` is heard. */
    idempotent?: boolean;
  }
}
