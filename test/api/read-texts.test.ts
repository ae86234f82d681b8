import { activationsResource, scoreResource } from '@unfold/contracts';
import { describe, expect, it } from 'vitest';
import { api, serveModel, trained } from './model-calls.ts';
import { expectError } from './support.ts';
import { publish, trainWeights } from './trained-model.ts';

serveModel();

describe('POST /v1/models/:id/score', () => {
  it('gives the log-probabilities of the model itself, the first token’s being null', async () => {
    const texts = ['the cat sat', 'a', 'on the mat'];
    const answer = await api.request.post('/v1/models/cats/score').send({ input: texts });
    expect(answer.status).toBe(200);
    const { data } = scoreResource.parse(answer.body);
    expect(data).toEqual(await Promise.all(texts.map((text) => trained.model.score(text))));
    expect(data.map(({ log_probabilities }) => log_probabilities[0])).toEqual([null, null, null]);
    const single = await api.request.post('/v1/models/cats/score').send({ input: texts[0] });
    expect(single.body.data).toEqual([data[0]]);
  });

  it('refuses empty input and unknown models', async () => {
    const post = (model: string, body: object) => api.request.post(`/v1/models/${model}/score`).send(body);
    expectError(await post('cats', { input: [] }), 400, 'invalid_value', 'input');
    const none = expectError(await post('cats', {}), 400, 'missing_field', 'input');
    expect(none.message).toBe('input: expected a string, or a list, but received nothing.');
    expectError(await post('dogs', { input: 'x' }), 404, 'not_found', 'id');
  });
});

describe('POST /v1/models/:id/activations', () => {
  const watch = (body: object, model = 'cats') =>
    api.request.post(`/v1/models/${model}/activations`).send(body);

  it('gives the values that the model itself has, of the units that vary most or of those named', async () => {
    const answer = await watch({ input: 'the cat sat', limit: 3 });
    expect(answer.status).toBe(200);
    const { tokens, layers, units } = activationsResource.parse(answer.body);
    const expected = await trained.model.activations('the cat sat', { limit: 3 });
    expect({ tokens, layers }).toEqual({ tokens: [...'the cat sat'], layers: [12] });
    expect(units.map(({ name }) => name)).toEqual(expected.units.map(({ name }) => name));
    units.forEach(({ values }, k) => {
      expect(values).toHaveLength(11);
      const off = values.map((value, t) => Math.abs(value - expected.units[k]!.values[t]!));
      expect(Math.max(...off)).toBeLessThan(1e-5);
    });
    const names = [units[1]!.name, units[0]!.name];
    const named = await watch({ input: 'the cat sat', units: names });
    expect(named.body.units).toEqual([units[1], units[0]]);
    const twice = expectError(
      await watch({ input: 'x', units: ['0.1', '0.1'] }),
      400,
      'invalid_value',
      'units',
    );
    expect(twice.message).toContain('expected each unit once');
    expectError(await watch({ input: 'x', units: ['0.1', '0.01'] }), 400, 'invalid_value', 'units[1]');
  });

  it('needs the context of a model that has one, and refuses what there is none of', async () => {
    const data = ['a', 'b']
      .flatMap((context) => ['ab', 'ba', 'aa', 'bb'].map((text) => JSON.stringify({ context, text })))
      .join('\n');
    await publish(api, await trainWeights(data, { task: 'conditional_generation' }), 'told');
    const [a, b] = await Promise.all(['a', 'b'].map((context) => watch({ input: 'ab', context }, 'told')));
    expect(a!.status).toBe(200);
    expect(a!.body.tokens).toEqual(['<s>', 'a', 'b']);
    expect(a!.body.units).not.toEqual(b!.body.units);
    expectError(await watch({ input: 'ab' }, 'told'), 400, 'invalid_value', 'context');
    expectError(await watch({ input: 'x', context: 'a' }), 400, 'invalid_value', 'context');
    expectError(await watch({ input: 'x', layer: 1 }), 400, 'invalid_value', 'layer');
    expectError(await watch({ input: 'x', units: ['0.12'] }), 400, 'invalid_value', 'units');
    expectError(await watch({ input: 'x'.repeat(4097) }), 400, 'invalid_value', 'input');
    expectError(await watch({ input: 'x' }, 'dogs'), 404, 'not_found', 'id');
  });
});
