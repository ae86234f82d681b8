import { createReference } from '@unfold/kernels';
import { describe, expect, test } from 'vitest';
import { engines, loadTiny, trainTiny } from '../../test-support/completions.ts';
import { LanguageModel } from '../language-model.ts';
import { type Network, releaseNetwork } from '../model/network.ts';
import { RowStep } from '../model/row-step.ts';
import { ChunkReader } from '../rows/chunk-reader.ts';
import { loadNetwork } from '../weights/load-network.ts';

/** Longer than a chunk. */
const text = 'the cat sat on the mat. the dog sang ä song\n'.repeat(8);

/** The hidden state after each token, as generation goes from one to the next; all layers, the lowest first. */
const statesOf = async (network: Network, ids: readonly number[]): Promise<number[][]> => {
  const reader = new ChunkReader(network);
  const step = new RowStep(network);
  const units = network.model.num_layers * network.model.hidden_size;
  step.add(await reader.firstState(null), null);
  const states: number[][] = [];
  for (const [position, token] of ids.entries()) {
    await step.run(() => ({ token, position, remaining: null }));
    states.push(Array.from((await step.read(0)).subarray(0, units)));
  }
  step.release();
  reader.release();
  return states;
};

const networks: [string, Parameters<typeof trainTiny>[0]][] = [
  ['elman', { model: { cell: 'elman', num_layers: 2 } }],
  ['lstm', { model: { cell: 'lstm', num_layers: 3, embedding_size: 5 } }],
  ['lstm with peepholes and layer normalisation', { model: { cell: 'lstm', norm: 'layer', peephole: true } }],
  ['gru', { model: { cell: 'gru', num_layers: 2 }, text: { level: 'word' } }],
  [
    'gru of sequences with batch normalisation',
    { model: { cell: 'gru', norm: 'batch' }, text: { sequences: 'lines' } },
  ],
];

describe.each(engines)('the units on %s', (_, createBackend) => {
  test.each(networks)('have the values that generation goes through: %s', async (_, fields) => {
    const weights = await trainTiny(fields);
    const model = await loadTiny(weights, createBackend());
    const { network } = loadNetwork(weights, createBackend(), {});
    const { boundary } = model.tokenizer;
    const ids = [...(boundary === null ? [] : [boundary]), ...model.tokenizer.encode(text)];
    const expected = await statesOf(network, ids);
    const { num_layers, hidden_size } = network.model;
    const units = Array.from({ length: num_layers * hidden_size }, (_, k) => ({
      name: `${Math.floor(k / hidden_size)}.${k % hidden_size}`,
      k,
    }));
    const all = await model.activations(text, { units: units.map(({ name }) => name) });
    expect(all.tokens).toEqual(ids.map((id) => model.tokenizer.tokens[id]));
    expect(all.layers).toEqual(new Array(num_layers).fill(hidden_size));
    for (const { name, k } of units) {
      const unit = all.units.find((each) => each.name === name)!;
      expect(unit.values).toHaveLength(ids.length);
      const off = Math.max(...Array.from(unit.values, (value, t) => Math.abs(value - expected[t]![k]!)));
      expect(off).toBeLessThan(1e-6);
    }

    const few = await model.activations(text, { limit: 5 });
    const byDeviation = [...all.units].sort((a, b) => b.deviation - a.deviation);
    expect(few.units.map(({ deviation }) => deviation)).toEqual(
      byDeviation.slice(0, 5).map(({ deviation }) => deviation),
    );
    for (const unit of few.units) expect(unit).toEqual(all.units.find(({ name }) => name === unit.name));
    releaseNetwork(network);
    await model.close();
  });
});

test('many texts beside each other have the values that each has alone', async () => {
  const model = await loadTiny(await trainTiny({ model: { cell: 'lstm', num_layers: 2 } }));
  const texts = Array.from({ length: 6 }, (_, k) => text.slice(k, 30 + 50 * k));
  const alone = [];
  for (const each of texts) alone.push(await model.activations(each));
  expect(await Promise.all(texts.map((each) => model.activations(each)))).toEqual(alone);
  await model.close();
});

test('a unit has the mean and the deviation of its values', async () => {
  const model = await LanguageModel.load(await trainTiny(), createReference({ precision: 'float64' }));
  const { units } = await model.activations(text, { layer: 0, limit: 3 });
  expect(units).toHaveLength(3);
  for (const { values, mean, deviation } of units) {
    const expected = Array.from(values).reduce((sum, value) => sum + value, 0) / values.length;
    const squares = Array.from(values, (value) => (value - expected) ** 2);
    expect(mean).toBeCloseTo(expected, 12);
    expect(deviation).toBeCloseTo(Math.sqrt(squares.reduce((a, b) => a + b) / values.length), 12);
  }
  await model.close();
});

test('a countdown is told of what is left, and refuses what it cannot count', async () => {
  const model = await loadTiny(
    await trainTiny({
      text: { sequences: 'lines' },
      model: { cell: 'lstm', length: 'countdown', max_length: 60 },
    }),
  );
  const [short, long] = [await model.activations('the cat'), await model.activations('the cat sat')];
  const first = (answer: typeof short) => answer.units.find(({ name }) => name === '0.0')?.values[2];
  expect(short.tokens).toEqual(['<s>', ...'the cat']);
  expect(first(short)).not.toEqual(first(long));
  await expect(model.activations('a'.repeat(61))).rejects.toMatchObject({ param: 'input' });
  await model.close();
});

test('what there is none of is refused by name, and nobody waits for a call that was given up', async () => {
  const model = await loadTiny(await trainTiny({ model: { num_layers: 2 } }));
  for (const [options, param] of [
    [{ layer: 2 }, 'layer'],
    [{ units: ['0.12'] }, 'units'],
    [{ units: ['2.0'] }, 'units'],
    [{ units: ['one'] }, 'units'],
    [{ longest: 3 }, 'input'],
    [{ context: 'label' }, 'context'],
  ] as const)
    await expect(model.activations('the cat', options)).rejects.toMatchObject({
      code: 'invalid_value',
      param,
    });
  await model.activations(text, {}, AbortSignal.abort());
  await model.close();
});
