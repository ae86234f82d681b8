import { createNative, createRandomStream, createReference } from '@unfold/kernels';
import { describe, expect, test } from 'vitest';
import { nativeEngines } from '../../../../test/support/native-engines.ts';
import { checkpointsOf, record, textFile, tinySpec } from '../../test-support/runs.ts';
import { LanguageModel } from '../language-model.ts';
import { exportWeights } from '../weights/export.ts';

/** P(length = index), with two humps and a gap: nothing that a constant chance to end could give. */
const lengths = [0, 0.05, 0.25, 0.15, 0, 0, 0.1, 0.3, 0.15];
const longest = 9;
const samples = 2500;

const drawLength = (uniform: number): number => {
  let sum = 0;
  return lengths.findIndex((probability) => uniform < (sum += probability));
};

/** Lines of random letters whose lengths have this distribution. */
const lines = (count: number): string => {
  const random = createRandomStream({ seed: 4, purpose: 1 });
  const line = () =>
    Array.from({ length: drawLength(random.uniform()) }, () => 'ab'[random.below(2)]).join('');
  return Array.from({ length: count }, () => `${line()}\n`).join('');
};

const totalVariation = (found: number[]): number => {
  const all = Array.from({ length: Math.max(found.length, lengths.length) }, (_, k) =>
    Math.abs((found[k] ?? 0) / samples - (lengths[k] ?? 0)),
  );
  return all.reduce((sum, difference) => sum + difference, 0) / 2;
};

describe('a long prompt', () => {
  const tiny = async (length: object) => {
    const spec = tinySpec({ text: { sequences: 'lines' }, model: { hidden_size: 2, ...length } });
    const run = await record({ spec, data: textFile('ab\nba\nb\n'.repeat(4)) });
    return LanguageModel.load(exportWeights(checkpointsOf(run).at(-1)!.data), createReference());
  };
  const long = 'ab'.repeat(100_000);

  test('is read and scored, however long it is', async () => {
    const model = await tiny({ length: 'eos' });
    const tokens = [];
    for await (const token of model.generate({ prompt: long, max_tokens: 1 })) tokens.push(token);
    expect(tokens).toHaveLength(1);
    expect((await model.score(long)).tokens).toHaveLength(long.length + 1);
    model.close();
  });

  test('lets others have their turn where its rest is counted down, and is given up when it is told to', async () => {
    const model = await tiny({ length: 'countdown', max_length: 4 });
    const abort = new AbortController();
    setImmediate(() => abort.abort());
    const tokens = [];
    for await (const token of model.generate({ prompt: long, signal: abort.signal })) tokens.push(token);
    expect(abort.signal.aborted).toBe(true);
    expect(tokens).toEqual([]);
    model.close();
  });
});

// Thousands of sequences are too many for the reference engine.
describe.skipIf(nativeEngines().length === 0)('the lengths of what a trained model writes', () => {
  test.each([
    ['eos', {}],
    ['bernoulli', {}],
    ['countdown', { max_length: longest }],
    ['countdown', { max_length: longest, renew: false }],
  ])('have the distribution of its data: %s %j', { timeout: 240_000 }, async (length, options) => {
    const spec = tinySpec({
      text: { sequences: 'lines' },
      model: { hidden_size: 16, length, ...options },
      training: {
        batch_size: 16,
        epochs: 10,
        evaluate_every: 100_000,
        optimizer: { learning_rate: 0.04 },
        schedule: { type: 'cosine' },
      },
    });
    const backend = createNative({ threads: 1 });
    const run = await record({ spec, data: textFile(lines(3000)), backend });
    const model = await LanguageModel.load(exportWeights(checkpointsOf(run).at(-1)!.data), backend);
    const found: number[] = Array(50).fill(0);
    const write = async (seed: number): Promise<void> => {
      let tokens = 0;
      for await (const { text } of model.generate({ seed, max_tokens: 49 })) tokens += text.length;
      found[tokens]!++;
    };
    // Side by side they advance together: each has the bits that it has alone, in a fraction of the time.
    const together = 250;
    for (let first = 0; first < samples; first += together)
      await Promise.all(Array.from({ length: together }, (_, k) => write(first + k)));
    expect(totalVariation(found)).toBeLessThan(0.05);
    if (length === 'countdown') expect(found.slice(longest + 1).some((count) => count > 0)).toBe(false);
    model.close();
    backend.close();
  });
});
