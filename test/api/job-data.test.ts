import { previewResource } from '@unfold/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Api, expectError, smallSpec, startApi, upload } from './support.ts';

let api: Api;
beforeAll(async () => {
  api = await startApi({ limits: { sequenceLength: 20 } });
});
afterAll(async () => api.stop());

const lines = { text: { sequences: 'lines' as const } };
const labeling = { task: 'sequence_labeling' as const };
const forecasting = { task: 'forecasting' as const };

const rows = [
  [
    'lines',
    lines,
    'one\ntwo\n',
    `one\n${'x'.repeat(21)}\n`,
    'file, line 2: expected a sequence of at most 20 tokens, but received 21.',
  ],
  [
    'labels',
    labeling,
    '{"input": ["a"], "output": ["b"]}\n'.repeat(2),
    '{"input": ["a"], "output": ["b"]}\n{"input": ["a"]}\n',
    'file, line 2: expected {"input": […], "output": […]}, but received an object without "output".',
  ],
  [
    'series',
    forecasting,
    'a\n'.concat('1\n'.repeat(40)),
    `${'1\n'.repeat(40)}two\n`,
    'file, line 41: expected a number in column 0, but received "two".',
  ],
] as const;

describe.each(rows)('a job on %s', (_, options, good, bad, message) => {
  it('is refused, posted or estimated, with the line and what was expected', async () => {
    const spec = smallSpec(await upload(api, bad), options);
    for (const url of ['/v1/jobs', '/v1/jobs/estimate']) {
      const error = expectError(await api.request.post(url).send(spec), 422, 'invalid_data', 'file');
      expect(error.message).toBe(message);
    }
    expect((await api.request.get('/v1/jobs')).body.data).toEqual([]);
  });

  it('is previewed as the network is given it, and refused in the same words', async () => {
    const spec = smallSpec(await upload(api, good), options);
    const answer = await api.request.post('/v1/jobs/preview').send(spec);
    expect(answer.status).toBe(200);
    const preview = previewResource.parse(answer.body);
    expect(preview.read_bytes).toBe(preview.file_bytes);
    expect(preview.examples[0]!.steps).toBeGreaterThan(0);
    const wrong = { ...smallSpec(spec.file, options), seed: -1 };
    expectError(await api.request.post('/v1/jobs/preview').send(wrong), 400, 'invalid_value', 'seed');
    if ('text' in options) return;
    const refused = await api.request
      .post('/v1/jobs/preview')
      .send(smallSpec(await upload(api, bad), options));
    expect(expectError(refused, 422, 'invalid_data', 'file').message).toBe(message);
  });

  it('is estimated from what its data holds, and posted', async () => {
    const spec = smallSpec(await upload(api, good), options);
    const estimate = await api.request.post('/v1/jobs/estimate').send(spec);
    expect(estimate.body).toMatchObject({ object: 'training.estimate', total_steps: 4 });
    const job = await api.request.post('/v1/jobs').send(spec);
    expect(job.status).toBe(201);
    await api.request.post(`/v1/jobs/${job.body.id}/cancel`);
    await api.request.delete(`/v1/jobs/${job.body.id}`);
  });
});
