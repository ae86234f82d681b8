import { describe, expect, it } from 'vitest';
import { waitFor } from '../support/process.ts';
import { redisInstalled } from '../support/redis.ts';
import { openSocket } from './socket-client.ts';
import {
  type Api,
  append,
  claim,
  expectError,
  metric,
  queueKinds,
  smallSpec,
  startApi,
  submit,
  upload,
} from './support.ts';

/** Runs with an API of its own, and stops it whatever happens. */
const withApi = async (
  change: Parameters<typeof startApi>[0],
  work: (api: Api) => Promise<void>,
): Promise<void> => {
  const api = await startApi(change);
  try {
    await work(api);
  } finally {
    await api.stop();
  }
};

describe.each(queueKinds)('the service, with the queue on %s', (queue) => {
  it('lists the workers, what they compute on, and says that a job waits for one', () =>
    withApi({ queue }, async (api) => {
      const none = { object: 'list', data: [], has_more: false };
      expect((await api.request.get('/v1/workers')).body).toEqual(none);
      expect((await api.request.get('/v1/devices')).body).toEqual(none);
      const { id } = await submit(api, { device: 'gpu' });
      const job = async () => (await api.request.get(`/v1/jobs/${id}`)).body;
      expect(await job()).toMatchObject({
        status: 'queued',
        blocked: { code: 'no_worker', param: 'device' },
      });
      const spec = smallSpec(await upload(api), { device: 'gpu' });
      const estimate = async () => (await api.request.post('/v1/jobs/estimate').send(spec)).body;
      expect(await estimate()).toMatchObject({ total_steps: 4, blocked: (await job()).blocked });
      const worker = {
        id: `worker-${'0'.repeat(32)}`,
        host: 'tower',
        pid: 7,
        device: 'gpu' as const,
        description: 'A graphics processor',
        memory_bytes: null,
        engines: ['webgpu' as const, 'native' as const],
      };
      await api.store.workers.report(worker);
      expect(await job()).toMatchObject({ status: 'queued', blocked: null });
      expect(await estimate()).toMatchObject({ total_steps: 4, blocked: null });
      expect((await api.request.get('/v1/workers')).body.data).toMatchObject([{ ...worker, status: 'idle' }]);
      const { id: _, pid: __, ...device } = worker;
      expect((await api.request.get('/v1/devices')).body.data).toMatchObject([
        { ...device, workers: 1, busy: 0 },
      ]);
      expectError(await api.request.get('/v1/devices?after=x'), 400, 'invalid_value', 'after');
    }));

  it('says that it lives and is ready, and tells Prometheus its numbers', () =>
    withApi({ queue }, async (api) => {
      expect((await api.request.get('/health')).body).toEqual({ status: 'ok' });
      expect((await api.request.get('/ready')).body).toEqual({ status: 'ok', database: 'ok', queue: 'ok' });
      const job = await submit(api);
      const socket = await openSocket(api.url, `/v1/jobs/${job.id}/stream`);
      await socket.until('the first frame', () => socket.frames().length === 1);
      await append(api, await claim(api, job.id), [metric(1)]);
      await socket.until('the live frames', () => socket.frames().length === 3);
      await submit(api);
      await api.request.get('/v1/nothing');
      const { text, headers } = await api.request.get('/metrics');
      expect(headers['content-type']).toContain('text/plain');
      for (const line of [
        'unfold_jobs{status="queued"} 1',
        'unfold_jobs{status="running"} 1',
        'unfold_queue_jobs{status="waiting"} 2',
        'unfold_sockets{route="/v1/jobs/:id/stream"} 1',
        'unfold_stream_followers{state="live"} 1',
        'unfold_http_errors_total{status="404",code="not_found"} 1',
        'unfold_inference_running 0',
      ])
        expect(text).toContain(line);
      expect(text).toMatch(
        /unfold_http_request_seconds_count\{method="POST",route="\/v1\/jobs",status="201"\} 2/,
      );
      expect(text).toMatch(/unfold_event_lag_seconds_count [1-9]/);
      await socket.close();
    }));
});

describe.skipIf(!redisInstalled)('while Redis is away', () => {
  it(
    'accepts jobs all the same, and enqueues them when it is back',
    () =>
      withApi({ queue: 'Redis', timings: { reconcileMs: 500 } }, async (api) => {
        const file = await upload(api);
        await api.redis!.stop();
        const answer = await api.request.post('/v1/jobs').send(smallSpec(file));
        expect(answer.status).toBe(201);
        expect(answer.body.status).toBe('queued');
        const ready = await api.request.get('/ready');
        expect(expectError(ready, 503, 'unavailable').message).toContain('queue');
        expect((await api.request.get('/health')).status).toBe(200);
        await api.redis!.start();
        const [ticket] = await api.store.jobs.queued();
        await waitFor(
          'the job to be in the queue',
          () => api.queue.holds(ticket!).catch(() => false),
          30_000,
        );
        await waitFor(
          'the API to be ready',
          async () => (await api.request.get('/ready')).status === 200,
          30_000,
        );
      }),
    90_000,
  );
});

describe('while PostgreSQL is away', () => {
  it(
    'answers 503 with Retry-After, keeps sockets open, and goes on without gap when it is back',
    () =>
      withApi({}, async (api) => {
        const job = await submit(api);
        const owner = await claim(api, job.id);
        const socket = await openSocket(api.url, `/v1/jobs/${job.id}/stream?after=2`);
        await append(api, owner, [metric(1)]);
        await socket.until('the first frame', () => socket.frames().length === 1);
        await api.gateway.cut();
        const refused = await api.request.get('/v1/jobs');
        expectError(refused, 503, 'unavailable');
        expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
        expectError(await api.request.get('/ready'), 503, 'unavailable');
        await api.gateway.mend();
        await waitFor(
          'the API to be back',
          async () => (await api.request.get('/v1/jobs')).status === 200,
          30_000,
        );
        await append(api, owner, [metric(2), metric(3)]);
        await socket.until('the frames after the outage', () => socket.frames().length === 3);
        expect(socket.frames().map(({ seq }) => seq)).toEqual([3, 4, 5]);
        await socket.close();
      }),
    90_000,
  );
});
