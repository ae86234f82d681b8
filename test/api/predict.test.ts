import { predictResource } from '@unfold/contracts';
import { createBackend, Predictor } from '@unfold/rnn';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Api, expectError, startApi } from './support.ts';
import { publish, trainModel, trainWeights } from './trained-model.ts';

const json = (records: object[]): string => records.map((record) => JSON.stringify(record)).join('\n');

const texts = json([
  { input: 'aab', label: 'b' },
  { input: 'aba', label: 'a' },
  { input: 'bb', label: 'b' },
  { input: 'bba', label: 'a' },
]);
const tokens = json([
  { input: ['the', 'cat', 'sleeps'], output: ['DET', 'NOUN', 'VERB'] },
  { input: ['a', 'dog', 'barks'], output: ['DET', 'NOUN', 'VERB'] },
  { input: ['dogs', 'sleep'], output: ['NOUN', 'VERB'] },
]);
const pairs = json([
  {
    input: [
      [1, 10],
      [2, 20],
      [3, 30],
    ],
    output: [[1], [3], [6]],
  },
  {
    input: [
      [2, 10],
      [2, 30],
    ],
    output: [[2], [4]],
  },
]);
const numbers = json([
  { input: [1, 2, 3], output: [1, 3, 6] },
  { input: [2, 2], output: [2, 4] },
]);

const series = Array.from({ length: 200 }, (_, t) => `${10 + (t % 4)},${t % 2}\n`).join('');

let api: Api;
const predictors = new Map<string, Predictor>();

beforeAll(async () => {
  api = await startApi({ limits: { sequenceLength: 20 } });
  const backend = await createBackend('reference');
  const train = async (name: string, data: string, change: object) => {
    const trained = await trainWeights(data, change);
    await publish(api, trained, name);
    predictors.set(name, await Predictor.load(trained.weights, backend));
  };
  await train('texts', texts, { task: 'classification' });
  await train('tokens', tokens, { task: 'sequence_labeling' });
  await train('pairs', pairs, { task: 'sequence_labeling' });
  await train('numbers', numbers, { task: 'sequence_labeling' });
  await train('fed', tokens, {
    task: 'sequence_labeling',
    model: { cell: 'elman', hidden_size: 12, num_layers: 1, recurrence: 'output' },
  });
  await train('series', series, { task: 'forecasting' });
  await publish(api, await trainModel(), 'writer');
});
afterAll(async () => api.stop());

const predict = (model: string, body: object) => api.request.post(`/v1/models/${model}/predict`).send(body);

describe('POST /v1/models/:id/predict', () => {
  it.each<[string, unknown, unknown[]]>([
    ['texts', 'aab', ['aab']],
    ['texts', ['aab', 'ba', 'a new one'], ['aab', 'ba', 'a new one']],
    ['tokens', ['the', 'dog'], [['the', 'dog']]],
    ['tokens', [['the', 'dog'], ['unseen']], [['the', 'dog'], ['unseen']]],
    [
      'pairs',
      [
        [1, 10],
        [2, 20],
      ],
      [
        [
          [1, 10],
          [2, 20],
        ],
      ],
    ],
    [
      'pairs',
      [
        [[1, 10]],
        [
          [2, 20],
          [3, 30],
        ],
      ],
      [
        [[1, 10]],
        [
          [2, 20],
          [3, 30],
        ],
      ],
    ],
    ['numbers', [1, 2, 3], [[1, 2, 3]]],
    ['numbers', [[1], [2], [3]], [[[1], [2], [3]]]],
    ['numbers', [[[1]], [[2], [3]]], [[[1]], [[2], [3]]]],
  ])('answers what the model itself says: %s of %j', async (name, input, sequences) => {
    const answer = await predict(name, { input });
    expect(answer.status, JSON.stringify(answer.body)).toBe(200);
    const expected = [];
    for (const sequence of sequences) expected.push(await predictors.get(name)!.predict(sequence as never));
    expect(predictResource.parse(answer.body)).toEqual({ object: 'list', data: expected });
  });

  it('goes on from a series, as far as it is asked to, in the units of the file', async () => {
    const past = Array.from({ length: 40 }, (_, t) => [10 + (t % 4), t % 2]);
    const one = await predict('series', { input: past });
    expect(one.status, JSON.stringify(one.body)).toBe(200);
    expect(one.body.data).toEqual([await predictors.get('series')!.predict(past)]);
    const { data } = (await predict('series', { input: [past, past.slice(1)], steps: 5 })).body;
    expect(data).toEqual([
      await predictors.get('series')!.predict(past, { steps: 5 }),
      await predictors.get('series')!.predict(past.slice(1), { steps: 5 }),
    ]);
    expect(data[0].values).toHaveLength(5);
    expect(data[0].values[0]).toEqual(one.body.data[0].values[0]);
    for (const [x] of data[0].values) expect(Math.abs(x - 11.5)).toBeLessThan(5);
  });

  it('goes on for a number of steps, and only where there is something to go on with', async () => {
    for (const steps of [0, 1.5, 4097, 'ten'])
      expectError(await predict('series', { input: [[1, 1]], steps }), 400, 'invalid_value', 'steps');
    expectError(await predict('texts', { input: 'ab', steps: 3 }), 400, 'invalid_value', 'steps');
    expectError(await predict('texts', { input: ['ab', 'a'], steps: 3 }), 400, 'invalid_value', 'steps');
  });

  it('follows as many answers side by side as it is asked to, where they are fed back', async () => {
    const input = ['the', 'dog', 'sleeps'];
    for (const beam_width of [undefined, null, 1, 3]) {
      const answer = await predict('fed', { input, beam_width });
      const options = beam_width == null ? {} : { beam_width };
      expect(answer.body.data).toEqual([await predictors.get('fed')!.predict(input, options)]);
    }
    for (const beam_width of [0, 65, 1.5])
      expectError(await predict('fed', { input, beam_width }), 400, 'invalid_value', 'beam_width');
    expectError(await predict('tokens', { input, beam_width: 2 }), 400, 'invalid_value', 'beam_width');
  });

  it('says of a classification how probable each label is', async () => {
    const [{ label, probabilities }] = (await predict('texts', { input: 'ab' })).body.data;
    expect(Object.keys(probabilities).sort()).toEqual(['a', 'b']);
    expect(probabilities.a + probabilities.b).toBeCloseTo(1, 5);
    expect(probabilities[label]).toBe(Math.max(probabilities.a, probabilities.b));
  });

  it.each<[string, unknown, string, string]>([
    ['texts', '', 'input', 'input: expected at least 1 character, but received "".'],
    ['texts', [], 'input', 'input: expected a list that is not empty, but received a list of 0.'],
    ['texts', ['a', ''], 'input[1]', 'input[1]: expected at least 1 character, but received "".'],
    ['texts', ['a', 1], 'input[1]', 'input[1]: expected a string, but received 1.'],
    [
      'texts',
      null,
      'input',
      'input: expected a text, a list of tokens (texts) or a list of vectors (lists of numbers), or a list of such, but received null.',
    ],
    [
      'texts',
      [[1, 2]],
      'input',
      'input: expected a text, which is what this model reads, or a list of such, but received a list of 1, the first of them a list of 2.',
    ],
    [
      'tokens',
      'the dog',
      'input',
      'input: expected a list of tokens (texts), which is what this model reads, or a list of such, but received "the dog".',
    ],
    [
      'tokens',
      [['the'], []],
      'input[1]',
      'input[1]: expected a list that is not empty, but received a list of 0.',
    ],
    [
      'pairs',
      [[1, 10], [2]],
      'input',
      'Expected a list of vectors of 2 numbers that is not empty for input, but received a list of 1 at input[1].',
    ],
    ['pairs', [[1, 'ten']], 'input[0][1]', 'input[0][1]: expected a number, but received "ten".'],
    [
      'pairs',
      [[[1, 10]], [[1]]],
      'input[1]',
      'Expected a list of vectors of 2 numbers that is not empty for input, but received a list of 1 at input[1][0].',
    ],
    ['tokens', Array(65).fill(['the']), 'input', 'input: expected at most 64 sequences, but received 65.'],
  ])('refuses of %s %j, naming %s', async (name, input, param, message) => {
    expect(expectError(await predict(name, { input }), 400, 'invalid_value', param).message).toBe(message);
  });

  it('refuses a number that no double holds', async () => {
    const answer = await api.request
      .post('/v1/models/pairs/predict')
      .set('content-type', 'application/json')
      .send('{"input": [[1, 1e999]]}');
    expect(expectError(answer, 400, 'invalid_value', 'input[0][1]').message).toContain('range of doubles');
  });

  it('refuses sequences that are too long, whatever they are made of', async () => {
    for (const [name, input, param] of [
      ['texts', 'a'.repeat(21), 'input'],
      ['texts', ['a', 'a'.repeat(21)], 'input[1]'],
      ['tokens', Array(21).fill('the'), 'input'],
      ['numbers', Array(21).fill(1), 'input'],
    ] as const) {
      const { message } = expectError(await predict(name, { input }), 422, 'limit_exceeded', param);
      expect(message).toBe('Expected at most 20 time steps on this server, but received 21.');
    }
  });

  it('refuses what it does not know, by name', async () => {
    expectError(await predict('nobody', { input: 'a' }), 404, 'not_found', 'id');
    expectError(await predict('texts', {}), 400, 'missing_field', 'input');
    expectError(await predict('texts', { input: 'a', colour: 'red' }), 400, 'unknown_field', 'colour');
    expectError(await predict('texts', { input: 'a\u0000' }), 400, 'invalid_value', 'input');
  });

  it('says which route a model of another task answers on', async () => {
    const wrong = expectError(await predict('writer', { input: 'a' }), 400, 'invalid_value', 'id');
    expect(wrong.message).toBe(
      'id: expected a model that answers for a sequence, but this one was trained for "language_model": ask POST /v1/completions.',
    );
    const completion = await api.request.post('/v1/completions').send({ model: 'texts', prompt: 'a' });
    expect(expectError(completion, 400, 'invalid_value', 'model').message).toBe(
      'model: expected a model that writes text, but this one was trained for "classification": ask POST /v1/models/:id/predict.',
    );
    expectError(
      await api.request.post('/v1/models/tokens/score').send({ input: 'a' }),
      400,
      'invalid_value',
      'id',
    );
  });

  it('answers a full list, and other calls meanwhile', async () => {
    const many = predict('numbers', { input: Array(64).fill(Array(20).fill([1])) });
    const [answer, other] = await Promise.all([many, predict('texts', { input: 'ab' })]);
    expect(answer.body.data).toHaveLength(64);
    expect(other.status).toBe(200);
  });
});
