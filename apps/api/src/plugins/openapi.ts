import { createHash } from 'node:crypto';
import fastifySwagger from '@fastify/swagger';
import fastifySwaggerUi from '@fastify/swagger-ui';
import type { FastifyInstance } from 'fastify';
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod';
import { isUnchanged } from '../http/conditional.ts';
import type { RouteDocs } from '../http/define-route.ts';

interface Media {
  schema?: unknown;
  example?: unknown;
}
interface Operation {
  parameters?: { name: string; in: string; style?: string; explode?: boolean }[];
  requestBody?: { required?: boolean; content: Record<string, Media> };
  responses: Record<string, { content?: Record<string, Media> }>;
}
interface Document {
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, unknown> };
}

const description = `Unfold trains recurrent neural networks and serves them.

Every error has the shape \`{"error":{"message","type","param","code","request_id"}}\`. Lists take \`limit\` and \`after\` and
answer \`{"object":"list","data","has_more"}\`. A POST that creates takes an \`Idempotency-Key\`, remembered for 24 hours.
\`GET /v1/jobs/{id}/stream\` and \`GET /v1/stream\` are WebSockets.`;

const tags = [
  { name: 'Files', description: 'Texts to train on, weights to import.' },
  { name: 'Jobs', description: 'Training jobs, their events, curves and checkpoints.' },
  { name: 'Streams', description: 'WebSockets with replay from a sequence number.' },
  { name: 'Fine-tuning', description: "OpenAI's fine-tuning API over the same jobs." },
  { name: 'Models', description: 'Trained and imported models.' },
  { name: 'Inference', description: 'Text generation and scoring.' },
  { name: 'Webhooks', description: 'Telling you of events, signed as Standard Webhooks say.' },
  { name: 'Sessions', description: 'What a model remembers between calls: kept, forked, restored.' },
  { name: 'Workers', description: 'What there is to train on.' },
  { name: 'Keys', description: 'API keys.' },
  { name: 'Service', description: 'For operators.' },
];

const addDocs = (operation: Operation, docs: RouteDocs): void => {
  if (docs.requestBody) operation.requestBody = docs.requestBody as NonNullable<Operation['requestBody']>;
  const request = operation.requestBody?.content['application/json'];
  if (request && docs.request !== undefined) request.example = docs.request;
  const success = Object.entries(operation.responses).find(([status]) => status.startsWith('2'))?.[1];
  const answer = success?.content?.['application/json'];
  if (answer && docs.response !== undefined) answer.example = docs.response;
};

const idempotencyParameter = {
  name: 'Idempotency-Key',
  in: 'header',
  required: false,
  description: 'The same key with the same request gets the stored answer for 24 hours.',
  schema: { type: 'string', minLength: 1, maxLength: 255 },
};

const refine = (operation: Operation, idempotent: boolean): void => {
  for (const parameter of operation.parameters ?? [])
    if (parameter.name === 'metadata') Object.assign(parameter, { style: 'deepObject', explode: true });
  if (idempotent) operation.parameters = [...(operation.parameters ?? []), idempotencyParameter];
};

/** Names of the components that a value refers to. */
const references = (value: unknown, found: Set<string>): void => {
  if (Array.isArray(value)) for (const entry of value) references(entry, found);
  else if (value !== null && typeof value === 'object')
    for (const [key, entry] of Object.entries(value)) {
      if (key === '$ref' && typeof entry === 'string') found.add(entry.split('/').at(-1) ?? '');
      else references(entry, found);
    }
};

/** Every schema comes in an input and an output form; only those that something refers to are kept. */
const prune = (document: Document): void => {
  const used = new Set<string>();
  references(document.paths, used);
  for (const name of used) references(document.components.schemas[name], used);
  for (const name of Object.keys(document.components.schemas))
    if (!used.has(name)) delete document.components.schemas[name];
};

/** The OpenAPI 3.1 document at `/openapi.json` and a page at `/docs`, both made from the routes' schemas. */
export const installOpenApi = async (app: FastifyInstance): Promise<void> => {
  const docs = new Map<string, RouteDocs>();
  const idempotent = new Set<string>();
  app.addHook('onRoute', (route) => {
    const path = route.url.replace(/:(\w+)/g, '{$1}');
    const name = `${String(route.method).toLowerCase()} ${path}`;
    if (route.config?.docs) docs.set(name, route.config.docs);
    if (route.config?.idempotent) idempotent.add(name);
    // The page and what it loads are open; everything else says itself what it needs.
    if (route.url === '/docs' || route.url.startsWith('/docs/'))
      route.config = { ...route.config, scope: null };
  });

  const finish = (input: Parameters<typeof jsonSchemaTransformObject>[0]) => {
    const document = jsonSchemaTransformObject(input) as unknown as Document;
    for (const [path, operations] of Object.entries(document.paths))
      for (const [method, operation] of Object.entries(operations)) {
        addDocs(operation, docs.get(`${method} ${path}`) ?? {});
        refine(operation, idempotent.has(`${method} ${path}`));
      }
    prune(document);
    return document as never;
  };

  await app.register(fastifySwagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Unfold', version: '0.1.0', description, license: { name: 'MIT', identifier: 'MIT' } },
      servers: [{ url: '/' }],
      tags,
      security: [{ bearer: [] }, {}],
      components: {
        securitySchemes: {
          bearer: {
            type: 'http',
            scheme: 'bearer',
            description: 'An API key. Not needed on loopback while there is none.',
          },
        },
      },
    },
    transform: jsonSchemaTransform,
    transformObject: finish,
  });
  await app.register(fastifySwaggerUi, {
    routePrefix: '/docs',
    staticCSP: {
      'default-src': "'none'",
      'script-src': "'self'",
      'style-src': ["'self'", "'unsafe-inline'"],
      'img-src': ["'self'", 'data:'],
      'font-src': "'self'",
      'connect-src': "'self'",
      'base-uri': "'none'",
      'form-action': "'none'",
      'frame-ancestors': "'none'",
    },
    uiConfig: { deepLinking: true, tryItOutEnabled: true, persistAuthorization: false, validatorUrl: null },
    theme: { title: 'Unfold API' },
  });
  let served: string | undefined;
  app.get(
    '/openapi.json',
    { schema: { hide: true }, config: { scope: 'read' }, exposeHeadRoute: true },
    async function getOpenApi(request, reply) {
      served ??= JSON.stringify(app.swagger());
      const hash = createHash('sha256').update(served).digest('hex');
      if (isUnchanged(request, reply, hash, { weak: true })) return reply.send();
      return reply.type('application/json; charset=utf-8').send(served);
    },
  );
};
