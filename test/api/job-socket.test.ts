import type { FrameBody } from '@unfold/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { waitFor } from '../support/process.ts';
import { openSocket, refusal } from './socket-client.ts';
import { type Api, append, claim, expectError, metric, queueKinds, startApi, submit } from './support.ts';

/** How long a reader may take nothing before it is given up. */
const stallMs = 1000;

const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, index) => from + index);

describe.each(queueKinds)('WS /v1/jobs/:id/stream, with the queue on %s', (queue) => {
  let api: Api;

  beforeAll(async () => {
    api = await startApi({ queue, timings: { stallMs } });
  });
  afterAll(async () => api.stop());

  it('sends the log, then what comes, and closes with 1000 after the last frame', async () => {
    const job = await submit(api);
    const owner = await claim(api, job.id);
    await append(api, owner, [metric(1), metric(2)]);
    const client = await openSocket(api.url, `/v1/jobs/${job.id}/stream`);
    expect(client.socket.protocol).toBe('unfold.v1');
    await client.until('the log', () => client.frames().length === 4);
    await append(api, owner, [metric(3)]);
    await client.until('the live frame', () => client.frames().length === 5);
    await api.store.jobs.finish(owner, {
      type: 'failed',
      error: { code: 'diverged', message: 'The loss is NaN.', param: null },
    });
    expect((await client.closed).code).toBe(1000);
    expect(client.frames().map(({ seq }) => seq)).toEqual(range(1, 6));
    expect(client.frames().at(-1)).toMatchObject({
      type: 'status',
      status: 'failed',
      error: { code: 'diverged' },
    });
  });

  it('begins after `after`, and ends at once when nothing is left', async () => {
    const job = await submit(api);
    await api.request.post(`/v1/jobs/${job.id}/cancel`);
    const rest = await openSocket(api.url, `/v1/jobs/${job.id}/stream?after=1`);
    expect((await rest.closed).code).toBe(1000);
    expect(rest.frames().map(({ seq }) => seq)).toEqual([2]);
    for (const after of [2, 9999, 2 ** 31, Number.MAX_SAFE_INTEGER]) {
      const nothing = await openSocket(api.url, `/v1/jobs/${job.id}/stream?after=${after}`);
      expect((await nothing.closed).code).toBe(1000);
      expect(nothing.messages).toEqual([]);
    }
  });

  it('delivers what no announcement spoke of', async () => {
    const job = await submit(api);
    const owner = await claim(api, job.id);
    const client = await openSocket(api.url, `/v1/jobs/${job.id}/stream?after=2`);
    for (const step of [1, 2, 3]) {
      await append(api, owner, [metric(step)], { announced: false });
      await client.until(`frame ${step}`, () => client.frames().length === step);
    }
    await client.close();
  });

  it('gives every reader each frame once and in order, however they come, go and reconnect meanwhile', async () => {
    const job = await submit(api);
    const owner = await claim(api, job.id);
    const other = await api.another();
    const total = 600;
    const readers = Array.from({ length: 6 }, async (_, reader) => {
      const seen: number[] = [];
      for (let connection = 0; ; connection += 1) {
        const url = (reader + connection) % 2 === 0 ? api.url : other.url;
        const after = seen.at(-1) ?? 0;
        const client = await openSocket(url, `/v1/jobs/${job.id}/stream?after=${after}`);
        const patience = connection < 5 ? 20 + Math.random() * 120 : 60_000;
        const timer = setTimeout(() => client.socket.terminate(), patience);
        const { code } = await client.closed;
        clearTimeout(timer);
        seen.push(...client.frames().map(({ seq }) => seq));
        if (code === 1000) return seen;
      }
    });
    for (let step = 1; step <= total; ) {
      const batch = range(step, Math.min(total, step + Math.floor(Math.random() * 12)));
      await append(api, owner, batch.map(metric), { announced: Math.random() < 0.7 });
      step += batch.length;
    }
    await api.store.jobs.finish(owner, { type: 'cancelled' });
    // queued, running, the metrics, cancelled
    for (const seen of await Promise.all(readers)) expect(seen).toEqual(range(1, total + 3));
  });

  it('goes on when a job that ended was resumed: the status that ended it is not the last frame', async () => {
    const job = await submit(api);
    await api.request.post(`/v1/jobs/${job.id}/cancel`);
    await api.request.post(`/v1/jobs/${job.id}/resume`);
    const client = await openSocket(api.url, `/v1/jobs/${job.id}/stream`);
    await client.until('the replay', () => client.frames().length === 3);
    await api.request.post(`/v1/jobs/${job.id}/cancel`);
    expect((await client.closed).code).toBe(1000);
    expect(client.frames().map((frame) => frame.type === 'status' && frame.status)).toEqual([
      'queued',
      'cancelled',
      'queued',
      'cancelled',
    ]);
  });

  it('lets a slow reader catch up from the log, and gives one up that reads nothing with 1013', async () => {
    const job = await submit(api);
    const owner = await claim(api, job.id);
    const big = (step: number): FrameBody => ({ type: 'sample', step, text: `${step} `.padEnd(60_000, 'x') });
    const slow = await openSocket(api.url, `/v1/jobs/${job.id}/stream?after=2`);
    const stuck = await openSocket(api.url, `/v1/jobs/${job.id}/stream?after=2`);
    stuck.socket.pause();
    // Takes a gulp now and then, and so is far behind all the time without ever standing still.
    let turn = 0;
    const sipping = setInterval(
      () => ((turn += 1) % 4 === 0 ? slow.socket.resume() : slow.socket.pause()),
      50,
    );
    const before = process.memoryUsage().rss;
    for (let step = 1; step <= 300; step += 10) await append(api, owner, range(step, step + 9).map(big));
    clearInterval(sipping);
    slow.socket.resume();
    await slow.until('the slow reader to have all', () => slow.frames().length === 300);
    expect(slow.frames().map(({ seq }) => seq)).toEqual(range(3, 302));
    expect(process.memoryUsage().rss - before).toBeLessThan(400 * 1024 * 1024);
    // Nothing more is written, so that the server's patience with a reader that takes nothing must end by then.
    const patienceEnds = performance.now() + 2 * stallMs;
    await waitFor("the server's patience to end", () => performance.now() > patienceEnds);
    stuck.socket.resume();
    expect((await stuck.closed).code).toBe(1013);
    await slow.close();
  });

  it('answers a message with an error and a policy close', async () => {
    const job = await submit(api);
    const client = await openSocket(api.url, `/v1/jobs/${job.id}/stream`);
    client.send('hello');
    expect((await client.closed).code).toBe(1008);
    expect(client.messages.at(-1)).toMatchObject({ error: { code: 'invalid_value' } });
  });

  it('refuses over HTTP, before the upgrade: unknown job, bad `after`, foreign origin', async () => {
    const job = await submit(api);
    const path = `/v1/jobs/${job.id}/stream`;
    expectError(await refusal(api.url, `/v1/jobs/job-${'0'.repeat(32)}/stream`), 404, 'not_found');
    expectError(await refusal(api.url, '/v1/jobs/%00/stream'), 400, 'invalid_value', 'id');
    expectError(await refusal(api.url, `${path}?after=-1`), 400, 'invalid_value', 'after');
    expectError(await refusal(api.url, `${path}?after=x`), 400, 'invalid_value', 'after');
    expectError(await refusal(api.url, `${path}?since=1`), 400, 'unknown_field', 'since');
    expectError(await refusal(api.url, path, { origin: 'https://evil.example' }), 403, 'forbidden_origin');
    expectError(await refusal(api.url, path, { headers: { host: 'evil.example' } }), 403, 'forbidden_host');
    expectError(await refusal(api.url, '/v1/jobs'), 404, 'not_found');
    expectError(await refusal(api.url, '/v1/nothing'), 404, 'not_found');
    expectError(await api.request.get(path), 426, 'upgrade_required');
    const own = await openSocket(api.url, path, { origin: api.url });
    await own.close();
  });
});

it('drops peers that no longer answer pings, and refuses more sockets than allowed', async () => {
  const api = await startApi({ limits: { sockets: 2 }, timings: { pingMs: 150 } });
  try {
    const job = await submit(api);
    const path = `/v1/jobs/${job.id}/stream`;
    const alive = await openSocket(api.url, path);
    const dead = await openSocket(api.url, path, { autoPong: false });
    expectError(await refusal(api.url, path), 429, 'overloaded');
    expectError(
      await api.request.get(`/v1/jobs/${job.id}/events`).set('accept', 'text/event-stream'),
      429,
      'overloaded',
    );
    expect((await dead.closed).code).toBe(1006);
    const next = await openSocket(api.url, path);
    expect(alive.socket.readyState).toBe(alive.socket.OPEN);
    await Promise.all([alive.close(), next.close()]);
  } finally {
    await api.stop();
  }
});

it('closes every socket with 1001 at a restart', async () => {
  const api = await startApi();
  const job = await submit(api);
  const clients = [
    await openSocket(api.url, `/v1/jobs/${job.id}/stream`),
    await openSocket(api.url, '/v1/stream'),
  ];
  const codes = Promise.all(clients.map(({ closed }) => closed));
  await api.stop();
  expect((await codes).map(({ code }) => code)).toEqual([1001, 1001]);
});
