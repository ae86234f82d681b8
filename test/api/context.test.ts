import { completionResource, scoreResource } from '@unfold/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Api, expectError, startApi } from './support.ts';
import { publish, type Trained, trainModel, writeDirectly } from './trained-model.ts';

const json = (records: object[]): string => records.map((record) => JSON.stringify(record)).join('\n');

const labelled = json([
  { context: 'low', text: 'aab' },
  { context: 'low', text: 'abb' },
  { context: 'high', text: 'bba' },
  { context: 'high', text: 'ba' },
]);
const measured = json([
  { context: [1, 20], text: 'aab' },
  { context: [2, 10], text: 'bba' },
  { context: [3, 30], text: 'ba' },
]);

let api: Api;
const models = new Map<string, Trained>();

beforeAll(async () => {
  api = await startApi();
  const train = async (name: string, data: string | undefined, change: object) => {
    const trained = await trainModel(change, data);
    await publish(api, trained, name);
    models.set(name, trained);
  };
  await train('labelled', labelled, { task: 'conditional_generation' });
  await train('measured', measured, {
    task: 'conditional_generation',
    series: { normalization: 'standard' },
    model: { cell: 'gru', hidden_size: 12, num_layers: 1, context: { inject: 'both' }, length: 'bernoulli' },
  });
  await train('lines', 'aab\nabb\nba\nbb\n', { text: { sequences: 'lines' } });
  await train('endless', undefined, {});
});
afterAll(async () => api.stop());

const complete = (body: object) =>
  api.request.post('/v1/completions').send({ max_tokens: 100, seed: 5, ...body });
const score = (model: string, body: object) => api.request.post(`/v1/models/${model}/score`).send(body);

describe('a model that writes with a context', () => {
  it.each([
    ['labelled', 'low', 'high'],
    ['measured', [1, 20], [3, 30]],
  ])('writes and scores what the model itself does: %s of %j and %j', async (model, ...contexts) => {
    const found: number[] = [];
    for (const context of contexts) {
      const answer = await complete({ model, context, prompt: 'b' });
      expect(answer.status, JSON.stringify(answer.body)).toBe(200);
      const [choice] = completionResource.parse(answer.body).choices;
      const own = models.get(model)!.model;
      expect(choice!.text).toBe(await writeDirectly(own, { context, prompt: 'b', seed: 5, max_tokens: 100 }));
      const [scored] = scoreResource.parse((await score(model, { input: ['ba'], context })).body).data;
      expect(scored!.total).toBe((await own.score('ba', context)).total);
      found.push(scored!.total);
    }
    expect(found[0]).not.toBe(found[1]);
  });

  it.each<[string, unknown, string]>([
    [
      'labelled',
      null,
      'context: expected a label that the model was trained with ("high", "low"), but received nothing.',
    ],
    [
      'labelled',
      'middle',
      'context: expected a label that the model was trained with ("high", "low"), but received "middle".',
    ],
    [
      'labelled',
      [1, 2],
      'context: expected a label that the model was trained with ("high", "low"), but received a list of 2.',
    ],
    ['measured', null, 'context: expected 2 numbers, but received nothing.'],
    ['measured', [1], 'context: expected 2 numbers, but received a list of 1.'],
    ['measured', 'low', 'context: expected 2 numbers, but received "low".'],
    [
      'measured',
      [1, 1e300],
      'context: expected numbers within single precision (3.4e38), but received 1e+300.',
    ],
    [
      'endless',
      'low',
      'context: expected none, since the model was trained without one, but received "low".',
    ],
    ['labelled', 7, 'context: expected a string, or a list, but received 7.'],
    ['measured', [1, 'x'], 'context[1]: expected a number, but received "x".'],
  ])('refuses for %s the context %j', async (model, context, message) => {
    const param = message.split(':')[0]!;
    for (const answer of [
      await complete({ model, context }),
      await complete({ model, context, stream: true }),
      await score(model, { input: 'ba', context }),
    ])
      expect(expectError(answer, 400, 'invalid_value', param).message).toBe(message);
  });
});

describe('a model of sequences', () => {
  it.each([
    ['labelled', { context: 'low' }],
    ['measured', { context: [2, 10] }],
    ['lines', {}],
  ])('ends them by itself, at once and as events: %s', async (model, more) => {
    const { body } = await complete({ model, ...more });
    expect(body.choices[0].finish_reason).toBe('stop');
    expect(body.choices[0].text).not.toMatch(/<s>|\n/);
    expect(body.usage.completion_tokens).toBeLessThan(100);
    const { text } = await complete({ model, ...more, stream: true });
    const chunks = text
      .split('\n\n')
      .filter((event) => event.startsWith('data: {'))
      .map((event) => completionResource.parse(JSON.parse(event.slice(6))).choices[0]!);
    expect(chunks.map((chunk) => chunk.text).join('')).toBe(body.choices[0].text);
    expect(chunks.at(-1)?.finish_reason).toBe('stop');
  });

  it('counts its end in a score', async () => {
    const [scored] = scoreResource.parse((await score('lines', { input: 'ab' })).body).data;
    expect(scored!.tokens).toEqual(['a', 'b', '<s>']);
    expect(scored!.log_probabilities.every((each) => each !== null && each < 0)).toBe(true);
  });
});
