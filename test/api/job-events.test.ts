import { checkpointResource, type Frame, frame, metricsResource } from '@unfold/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Api, append, claim, expectError, metric, queueKinds, startApi, submit } from './support.ts';

interface Event {
  id: string;
  data: { seq: number; type: string };
}

const parseEvents = (text: string): Event[] =>
  text
    .split('\n\n')
    .filter((block) => block.includes('data: '))
    .map((block) => {
      const field = (name: string) =>
        block
          .split('\n')
          .find((line) => line.startsWith(`${name}: `))
          ?.slice(name.length + 2) ?? '';
      return { id: field('id'), data: JSON.parse(field('data')) };
    });

describe.each(queueKinds)('the event log, with the queue on %s', (queue) => {
  let api: Api;
  let job: string;
  let owner: Awaited<ReturnType<typeof claim>>;

  beforeAll(async () => {
    api = await startApi({ queue });
    job = (await submit(api)).id;
    owner = await claim(api, job);
    await append(api, owner, [metric(1), { type: 'sample', step: 1, text: 'the cat' }, metric(2)]);
  });
  afterAll(async () => api.stop());

  const follow = (query = '', headers: Record<string, string> = {}) =>
    fetch(`${api.url}/v1/jobs/${job}/events${query}`, {
      headers: { accept: 'text/event-stream', ...headers },
    });

  it('is read in pages, each frame once, and by type', async () => {
    const seen: number[] = [];
    for (let after = 0; ; ) {
      const { body } = await api.request.get(`/v1/jobs/${job}/events?after=${after}&limit=2`);
      for (const each of body.data) seen.push(frame.parse(each).seq);
      if (!body.has_more) break;
      after = body.data.at(-1).seq;
    }
    expect(seen).toEqual([1, 2, 3, 4, 5]);
    for (const after of [9999, 2 ** 31, Number.MAX_SAFE_INTEGER]) {
      const beyond = await api.request.get(`/v1/jobs/${job}/events?after=${after}`);
      expect([beyond.status, beyond.body]).toEqual([200, { object: 'list', data: [], has_more: false }]);
    }
    const metrics = await api.request.get(`/v1/jobs/${job}/events?type=metric`);
    expect(metrics.body.data.map(({ seq }: { seq: number }) => seq)).toEqual([3, 5]);
    expectError(await api.request.get(`/v1/jobs/${job}/events?type=noise`), 400, 'invalid_value', 'type');
    expectError(await api.request.get(`/v1/jobs/${job}/events?limit=1001`), 400, 'invalid_value', 'limit');
  });

  it('gives curves, each step once, and checkpoints', async () => {
    const metrics = metricsResource.parse((await api.request.get(`/v1/jobs/${job}/metrics?names=loss`)).body);
    const log = await api.request.get(`/v1/jobs/${job}/events?limit=1000`);
    expect(metrics).toEqual({
      job_id: job,
      steps: [1, 2],
      series: { loss: [3, 1.5] },
      downsampled: false,
      // Whoever follows after it has every frame.
      seq: log.body.data.at(-1).seq,
    });
    const timed = metricsResource.parse((await api.request.get(`/v1/jobs/${job}/metrics?times=true`)).body);
    const told = log.body.data.filter(({ type }: Frame) => type === 'metric');
    expect(timed.times).toEqual(told.map(({ at }: Frame) => Date.parse(at)));
    expectError(await api.request.get(`/v1/jobs/${job}/metrics?times=1`), 400, 'invalid_value', 'times');
    const later = await api.request.get(`/v1/jobs/${job}/metrics?after_step=1`);
    expect(later.body.steps).toEqual([2]);
    const file = await api.store.artifacts.write(`jobs/${job}/2.safetensors`, Buffer.from('weights'));
    await api.store.checkpoints.record(owner, {
      ...file,
      step: 2,
      validation_loss: 1.5,
      best: true,
      last: false,
    });
    const { body } = await api.request.get(`/v1/jobs/${job}/checkpoints`);
    expect(body.data.map((each: unknown) => checkpointResource.parse(each).step)).toEqual([2]);
  });

  it('comes as server-sent events until the job ends, and goes on from Last-Event-ID', async () => {
    const head = (await api.store.events.heads([job])).get(job)!.head;
    const all = follow();
    const rest = follow('', { 'last-event-id': '3' });
    const samples = follow('?type=sample&after=1');
    const open = await all;
    expect(open.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    await append(api, owner, [metric(3)]);
    await api.store.jobs.finish(owner, { type: 'cancelled' });
    const range = (from: number) => Array.from({ length: head + 3 - from }, (_, index) => from + index);
    const events = parseEvents(await open.text());
    expect(events.map(({ data }) => data.seq)).toEqual(range(1));
    expect(events.map(({ id }) => Number(id))).toEqual(range(1));
    expect(parseEvents(await (await rest).text()).map(({ data }) => data.seq)).toEqual(range(4));
    expect(parseEvents(await (await samples).text()).map(({ data }) => data.type)).toEqual(['sample']);
    expect((await follow('', { 'last-event-id': String(head + 2) })).status).toBe(204);
    expect((await follow(`?after=${2 ** 31}`)).status).toBe(204);
    expect((await follow('', { 'last-event-id': 'x' })).status).toBe(400);
  });

  it('ends the streams when the server stops', async () => {
    const other = await api.another();
    const running = (await submit(api)).id;
    const answer = await fetch(`${other.url}/v1/jobs/${running}/events`, {
      headers: { accept: 'text/event-stream' },
    });
    const text = answer.text();
    await other.app.close();
    expect(parseEvents(await text).length).toBeLessThanOrEqual(1);
  });
});
