import { Validator } from '@seriousme/openapi-schema-validator';
import { errorEnvelope } from '@unfold/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Api, startApi, submit, upload } from './support.ts';
import { publish, trainModel, trainWeights } from './trained-model.ts';

interface Media {
  schema?: object;
  example?: unknown;
}
interface Operation {
  summary?: string;
  description?: string;
  tags?: string[];
  operationId?: string;
  parameters?: { name: string; in: string; description?: string; style?: string }[];
  requestBody?: { content: Record<string, Media> };
  responses: Record<string, { description: string; content?: Record<string, Media> }>;
}
interface Document {
  openapi: string;
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, object> };
  tags: { name: string }[];
}

let api: Api;
let document: Document;

beforeAll(async () => {
  api = await startApi();
  document = (await api.request.get('/openapi.json')).body;
});
afterAll(async () => api.stop());

const operations = () =>
  Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );

const references = (value: unknown): string[] =>
  value === null || typeof value !== 'object'
    ? []
    : Object.entries(value).flatMap(([key, entry]) =>
        key === '$ref' && typeof entry === 'string' ? [entry] : references(entry),
      );

describe('/openapi.json', () => {
  it('is a valid OpenAPI 3.1 document in which every reference leads somewhere', async () => {
    const result = await new Validator().validate({ ...structuredClone(document) });
    expect(result.errors ?? []).toEqual([]);
    expect(result.valid).toBe(true);
    expect(document.openapi).toMatch(/^3\.1\./);
    for (const reference of references(document))
      expect(Object.keys(document.components.schemas), reference).toContain(reference.split('/').at(-1));
    for (const name of ['Job', 'JobSpecInput', 'File', 'Model', 'Frame', 'Error', 'Completion'])
      expect(document.components.schemas, name).toHaveProperty(name);
  });

  it('has every route of the contract', () => {
    const listed = operations().map(({ path, method }) => `${method.toUpperCase()} ${path}`);
    expect(listed.sort()).toEqual(
      [
        'GET /health',
        'GET /ready',
        'GET /metrics',
        'GET /v1/system',
        'POST /v1/files',
        'GET /v1/files',
        'GET /v1/files/{id}',
        'GET /v1/files/{id}/content',
        'GET /v1/files/{id}/preview',
        'DELETE /v1/files/{id}',
        'POST /v1/jobs',
        'GET /v1/jobs',
        'POST /v1/jobs/batch',
        'POST /v1/jobs/estimate',
        'POST /v1/jobs/preview',
        'GET /v1/jobs/{id}',
        'DELETE /v1/jobs/{id}',
        'POST /v1/jobs/{id}/cancel',
        'POST /v1/jobs/{id}/pause',
        'POST /v1/jobs/{id}/resume',
        'GET /v1/jobs/{id}/events',
        'GET /v1/jobs/{id}/metrics',
        'GET /v1/jobs/{id}/checkpoints',
        'GET /v1/jobs/{id}/stream',
        'GET /v1/stream',
        'POST /v1/fine_tuning/jobs',
        'GET /v1/fine_tuning/jobs',
        'GET /v1/fine_tuning/jobs/{id}',
        'POST /v1/fine_tuning/jobs/{id}/cancel',
        'POST /v1/fine_tuning/jobs/{id}/pause',
        'POST /v1/fine_tuning/jobs/{id}/resume',
        'GET /v1/fine_tuning/jobs/{id}/events',
        'GET /v1/fine_tuning/jobs/{id}/checkpoints',
        'POST /v1/models',
        'GET /v1/models',
        'GET /v1/models/{id}',
        'GET /v1/models/{id}/weights',
        'DELETE /v1/models/{id}',
        'POST /v1/models/{id}/score',
        'POST /v1/models/{id}/activations',
        'POST /v1/models/{id}/predict',
        'POST /v1/completions',
        'POST /v1/webhook_endpoints',
        'GET /v1/webhook_endpoints',
        'GET /v1/webhook_endpoints/{id}',
        'POST /v1/webhook_endpoints/{id}',
        'DELETE /v1/webhook_endpoints/{id}',
        'POST /v1/webhook_endpoints/{id}/rotate_secret',
        'POST /v1/webhook_endpoints/{id}/test',
        'GET /v1/webhook_endpoints/{id}/deliveries',
        'POST /v1/webhook_endpoints/{id}/deliveries/{delivery}/redeliver',
        'POST /v1/sessions',
        'GET /v1/sessions',
        'GET /v1/sessions/{id}',
        'DELETE /v1/sessions/{id}',
        'POST /v1/sessions/{id}/fork',
        'POST /v1/sessions/{id}/restore',
        'GET /v1/sessions/{id}/state',
        'GET /v1/workers',
        'GET /v1/devices',
        'POST /v1/sessions/{id}/snapshots',
        'GET /v1/sessions/{id}/snapshots',
        'DELETE /v1/sessions/{id}/snapshots/{snapshot}',
        'POST /v1/keys',
        'GET /v1/keys',
        'DELETE /v1/keys/{id}',
      ].sort(),
    );
  });

  it('says of every route what it does, what it takes, what it answers and what can go wrong', () => {
    const ids = new Set<string>();
    for (const { path, method, operation } of operations()) {
      const name = `${method} ${path}`;
      expect(operation.summary, name).toBeTruthy();
      expect(operation.description, name).toBeTruthy();
      expect(
        document.tags.map((tag) => tag.name),
        name,
      ).toContain(operation.tags?.[0]);
      ids.add(operation.operationId ?? '');
      for (const parameter of operation.parameters ?? []) expect(parameter, name).toHaveProperty('name');
      const statuses = Object.keys(operation.responses);
      expect(
        statuses.some((status) => /^[123]/.test(status)),
        name,
      ).toBe(true);
      for (const status of statuses.filter((each) => /^[45]/.test(each)))
        expect(
          operation.responses[status]?.content?.['application/json']?.schema,
          `${name} ${status}`,
        ).toEqual({
          $ref: '#/components/schemas/Error',
        });
      const answer = operation.responses['200'] ?? operation.responses['201'];
      if (answer?.content?.['application/json'])
        expect(answer.content['application/json'].example, name).toBeDefined();
      if (path.includes('{id}'))
        expect(
          operation.parameters?.map((parameter) => parameter.name),
          name,
        ).toContain('id');
    }
    expect(ids.size).toBe(operations().length);
    const labels = document.paths['/v1/jobs']?.get?.parameters?.find(({ name }) => name === 'metadata');
    expect(labels).toMatchObject({ style: 'deepObject' });
  });

  it('has request examples that work, once the ids are ones that exist', async () => {
    const trained = await trainModel();
    await publish(api, trained, 'moby-dick');
    const surnames = ['Rossi', 'Russo', 'Bauer', 'Weber'].map((input, k) =>
      JSON.stringify({ input, label: k < 2 ? 'Italian' : 'German' }),
    );
    await publish(api, await trainWeights(surnames.join('\n'), { task: 'classification' }), 'languages');
    const job = await submit(api);
    await api.request.post(`/v1/jobs/${job.id}/pause`);
    const text = await upload(api, 'Call me Ishmael. '.repeat(500));
    const weights = await upload(api, Buffer.from(trained.weights));
    const endpoint = await api.request
      .post('/v1/webhook_endpoints')
      .send({ url: 'https://example.org/', events: ['fine_tuning.job.failed'] });
    const session = (await api.request.post('/v1/sessions').send({ model: 'moby-dick' })).body.id;
    const snapshot = (await api.request.post(`/v1/sessions/${session}/snapshots`)).body.id;
    for (const { path, method, operation } of operations()) {
      const example = operation.requestBody?.content['application/json']?.example as
        | Record<string, unknown>
        | undefined;
      // The first key would close the server to the rest of this test.
      if (example === undefined || path === '/v1/keys') continue;
      const file = path === '/v1/models' ? weights : text;
      const withIds = (given: Record<string, unknown>) => ({
        ...given,
        ...Object.fromEntries(
          ['file', 'training_file'].filter((field) => field in given).map((field) => [field, file]),
        ),
        ...('snapshot' in given && { snapshot }),
      });
      const { jobs } = example;
      const body = Array.isArray(jobs) ? { jobs: jobs.map(withIds) } : withIds(example);
      const named = path.endsWith('/predict') ? 'languages' : 'moby-dick';
      const ids: [string, string][] = [
        ['/jobs/', job.id],
        ['/webhook_endpoints/', endpoint.body.id],
        ['/sessions/', session],
      ];
      const id = ids.find(([part]) => path.includes(part))?.[1] ?? named;
      const answer = await api.request[method as 'post'](path.replace('{id}', id)).send(body);
      expect(answer.status, `${path} ${JSON.stringify(answer.body)}`).toBeLessThan(300);
    }
  });

  it('names the envelope that errors really have', async () => {
    const answer = await api.request.get('/v1/nothing');
    expect(errorEnvelope.strict().safeParse(answer.body).success).toBe(true);
  });
});

describe('/docs', () => {
  it('is a page that needs nothing from elsewhere and may load nothing from elsewhere', async () => {
    const page = await api.request.get('/docs');
    expect(page.status).toBe(200);
    const policy = page.headers['content-security-policy'] as string;
    expect(policy).not.toMatch(/https?:|upgrade-insecure|unsafe-eval/);
    const loaded = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path]) => path as string);
    expect(loaded.length).toBeGreaterThan(3);
    for (const path of loaded) {
      expect(path).toMatch(/^\/docs\//);
      expect((await api.request.get(path)).status, path).toBe(200);
    }
    expect(page.text).not.toMatch(/<script>|<style>|onload=/);
    expect((await api.request.get('/docs/json')).body.paths).toEqual(document.paths);
  });
});
