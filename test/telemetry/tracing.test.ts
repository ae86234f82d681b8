import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type TestDatabase, withDatabase } from '../support/postgres.ts';
import { startProgram } from '../support/process.ts';
import { post, reaches, type Service, startDistributedService, upload } from '../support/service.ts';
import { type OtlpReceiver, type ReceivedSpan, startOtlpReceiver } from './otlp-receiver.ts';

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const callersSpan = '00f067aa0ba902b7';

describe('a traced service', () => {
  let receiver: OtlpReceiver;
  let service: Service;
  let database: TestDatabase;
  beforeAll(async () => {
    receiver = await startOtlpReceiver();
    database = await withDatabase();
    service = await startDistributedService({
      databaseUrl: database.databaseUrl,
      redisUrl: null,
      workers: 1,
      env: {
        OTEL_EXPORTER_OTLP_ENDPOINT: `${receiver.url}/`,
        OTEL_EXPORTER_OTLP_HEADERS: 'x-collector-key=of-the-test',
      },
    });
  });
  afterAll(async () => {
    await receiver.close();
    await database.drop();
  });

  it('tells of a job from the request through the queue to the worker, below the span of its caller', async () => {
    const file = await upload(service, 'the cat sat on the mat.\n'.repeat(60));
    const answer = await fetch(`${service.url}/v1/jobs`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', traceparent: `00-${traceId}-${callersSpan}-01` },
      body: JSON.stringify({
        file,
        name: 'traced',
        model: { hidden_size: 8, num_layers: 1 },
        training: { max_steps: 3, batch_size: 2, sequence_length: 8 },
      }),
    });
    const { id } = (await answer.json()) as { id: string };
    await reaches(service, id, ['succeeded']);
    await post(service, '/v1/completions', { model: 'traced', prompt: 'the', max_tokens: 2 });
    await post(service, '/v1/completions', { model: 'nobody', prompt: 'the' });
    // Both processes send what they have when they stop.
    await service.stop();

    const ours = receiver.spans.filter((span) => span.traceId === traceId);
    const named = (name: string): ReceivedSpan => {
      const found = ours.filter((span) => span.name === name);
      expect(found, name).toHaveLength(1);
      return found[0] as ReceivedSpan;
    };
    const request = named('POST /v1/jobs');
    expect(request).toMatchObject({ service: 'unfold-api', parentSpanId: callersSpan });
    expect(request.attributes).toMatchObject({
      'http.response.status_code': 201,
      'unfold.request.id': answer.headers.get('x-request-id'),
    });
    const enqueue = named('enqueue');
    expect(enqueue.parentSpanId).toBe(request.spanId);
    const kept = await database.query('SELECT traceparent FROM jobs WHERE id = $1', [id]);
    expect(kept).toEqual([{ traceparent: `00-${traceId}-${enqueue.spanId}-01` }]);
    for (const name of ['claim', 'attempt'])
      expect(named(name)).toMatchObject({ service: 'unfold-worker', parentSpanId: enqueue.spanId });
    const attempt = named('attempt');
    expect(attempt.attributes).toMatchObject({ 'unfold.job.id': id, 'unfold.outcome': 'succeeded' });
    const checkpoints = ours.filter(({ name }) => name === 'checkpoint');
    expect(checkpoints.length).toBeGreaterThan(0);
    for (const { parentSpanId } of checkpoints) expect(parentSpanId).toBe(attempt.spanId);

    const completions = receiver.spans.filter(({ name }) => name === 'POST /v1/completions');
    expect(completions.map(({ attributes }) => attributes['http.response.status_code']).sort()).toEqual([
      200, 404,
    ]);
    const [inference] = receiver.spans.filter(({ name }) => name === 'inference complete');
    expect(completions.map(({ spanId }) => spanId)).toContain(inference?.parentSpanId);
    expect(receiver.headers.every((headers) => headers['x-collector-key'] === 'of-the-test')).toBe(true);
    expect(receiver.spans.some(({ name }) => name.includes('/ready'))).toBe(false);
  });
});

describe('without an exporter', () => {
  it('nothing of OpenTelemetry is loaded', async () => {
    const look = `
      import { createRequire } from 'node:module';
      import { buildApi } from '@unfold/api';
      import { openTracing } from '@unfold/telemetry';
      await openTracing({ exporter: null, service: 'test' });
      const loaded = Object.keys(createRequire(import.meta.url).cache).filter((path) => /@opentelemetry.(sdk|exporter|otlp|core)/.test(path));
      console.log(typeof buildApi, loaded.length);
      process.exit(0);`;
    const program = startProgram('--input-type=module', { arguments: ['--eval', look] });
    expect(await program.ended).toBe(0);
    expect(program.output().trim()).toBe('function 0');
  });
});
