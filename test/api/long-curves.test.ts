import { metricsResource } from '@unfold/contracts';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Api, append, claim, queueKinds, startApi, submit } from './support.ts';

const points = 12_000;
const lossAt = (step: number): number => 1 / step;

const point = (step: number) => ({
  type: 'metric' as const,
  step,
  attempt: 1,
  values: {
    loss: lossAt(step),
    epoch: step % 7 === 0 ? null : step / 1000,
    ...(step % 1000 === 0 && { validation_loss: 2 * lossAt(step) }),
  },
});

let api: Api;
let job: string;

beforeAll(async () => {
  api = await startApi({ queue: queueKinds[0]! });
  job = (await submit(api)).id;
  const owner = await claim(api, job);
  const range = (first: number, last: number) =>
    Array.from({ length: last - first + 1 }, (_, place) => point(first + place));
  await append(api, owner, range(1, 7000));
  await append(api, owner, [
    { type: 'restart', attempt: 1, from_step: 5500, reason: 'rolled_back' },
    { type: 'sample', step: 5500, text: 'the cat' },
    ...range(5501, points),
  ]);
});
afterAll(async () => api.stop());

const steps = Array.from({ length: points }, (_, place) => place + 1);

it('curves of thousands of points are told whole and exactly, compressed or not', async () => {
  for (const encoding of ['br', 'gzip', 'identity']) {
    const answer = await fetch(`${api.url}/v1/jobs/${job}/metrics?times=true`, {
      headers: { 'accept-encoding': encoding },
    });
    expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(answer.headers.get('content-encoding')).toBe(encoding === 'identity' ? null : encoding);
    const { times, seq, ...curves } = metricsResource.parse(await answer.json());
    const head = await api.store.events.read(job, { order: 'newest_first', limit: 1 });
    expect(seq).toBe(head[0]?.seq);
    expect(times).toHaveLength(points);
    expect(curves).toEqual({
      job_id: job,
      steps,
      series: {
        loss: steps.map(lossAt),
        epoch: steps.map((step) => point(step).values.epoch),
        validation_loss: steps.map((step) => point(step).values.validation_loss ?? null),
      },
      downsampled: false,
    });
  }
});

it('they can be thinned out and asked for in part, by name and by step', async () => {
  const ask = async (query: string) =>
    metricsResource.parse((await api.request.get(`/v1/jobs/${job}/metrics?${query}`)).body);
  const thin = await ask('points=30');
  expect(thin).toMatchObject({ downsampled: true, steps: { length: 30 } });
  expect(thin.series.validation_loss?.filter((value) => value !== null)).toHaveLength(12);
  const late = await ask('names=validation_loss&after_step=5000');
  expect(late.steps).toEqual([6000, 7000, 8000, 9000, 10_000, 11_000, 12_000]);
  expect(Object.keys(late.series)).toEqual(['validation_loss']);
  const { status, headers } = await api.request.head(`/v1/jobs/${job}/metrics`);
  expect([status, headers['content-type']]).toEqual([200, 'application/json; charset=utf-8']);
});
