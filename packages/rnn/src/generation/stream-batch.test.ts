import { setImmediate as turn } from 'node:timers/promises';
import { createReference } from '@unfold/kernels';
import { afterAll, describe, expect, test } from 'vitest';
import { complete, engines, lines, loadTiny, plain, trainTiny } from '../../test-support/completions.ts';
import { LanguageModel } from '../language-model.ts';
import type { CompletionOptions } from './completion-options.ts';

/** What networks can be asked for that differs in how a step is done. */
const networks: [string, Parameters<typeof trainTiny>[0]][] = [
  ['an endless text', { model: { cell: 'lstm', num_layers: 2, embedding_size: 5 } }],
  ['bytes', { text: { level: 'byte' }, model: { cell: 'gru' } }],
  ['sequences with an end symbol', { text: { sequences: 'lines' }, model: { cell: 'elman' } }],
  [
    'sequences ended by a coin',
    { text: { sequences: 'lines' }, model: { cell: 'gru', length: 'bernoulli' } },
  ],
  [
    'sequences that count down',
    { text: { sequences: 'lines' }, model: { cell: 'lstm', length: 'countdown', max_length: 40 } },
  ],
  ['batch normalisation', { text: { sequences: 'lines' }, model: { cell: 'lstm', norm: 'batch' } }],
  ['no hidden recurrence', { model: { cell: 'elman', recurrence: 'output' } }],
];

/** Requests that differ in everything that decides on a text. */
const requests: Partial<CompletionOptions>[] = Array.from({ length: 14 }, (_, k) => ({
  seed: k,
  prompts: [['', 'the', lines.slice(0, 300), 'the cat sat on'][k % 4]!],
  max_tokens: 3 + 3 * k,
  temperature: [1, 0, 0.7][k % 3]!,
  top_k: k % 2 ? 6 : null,
  top_p: k % 5 ? 1 : 0.8,
  n: 1 + (k % 3),
  logprobs: k % 4 === 0 ? 2 : null,
  frequency_penalty: k % 4 === 1 ? 0.5 : 0,
  logit_bias: k % 6 === 5 ? { 3: -100, 4: 2 } : null,
  stop: k % 5 === 2 ? ['t ', 'og'] : [],
}));

/** The same network on every engine. */
const trained = new Map<unknown, Promise<Uint8Array>>();
const trainOnce = (fields: Parameters<typeof trainTiny>[0]): Promise<Uint8Array> => {
  const known = trained.get(fields) ?? trainTiny(fields);
  trained.set(fields, known);
  return known;
};

describe.each(engines)('on %s', (_, createBackend) => {
  const models: LanguageModel[] = [];
  afterAll(() => Promise.all(models.map((model) => model.close())));

  test.each(networks)('a text does not depend on what is written beside it: %s', async (_name, fields) => {
    const model = await loadTiny(await trainOnce(fields), createBackend());
    models.push(model);
    const alone = [];
    for (const request of requests) alone.push(await complete(model, request));
    const together = await Promise.all(
      requests.map(async (request, k) => {
        // They join at different steps, while others are in the middle of theirs.
        for (let wait = 0; wait < 2 * k; wait++) await turn();
        return complete(model, request);
      }),
    );
    expect(together.map(({ choices }) => choices)).toEqual(alone.map(({ choices }) => choices));
    // A plain generation is written the same way.
    const { seed, prompts, max_tokens, temperature, top_k, top_p, stop } = { ...plain, ...requests[2] };
    let text = '';
    const options = { seed, prompt: prompts[0] as string, max_tokens, temperature, top_k, top_p, stop };
    for await (const token of model.generate(options)) text += token.text;
    expect(text).toBe(alone[2]!.choices[0]!.text);
  });
});

describe('a batch', () => {
  const load = async (fields = networks[0]![1]): Promise<LanguageModel> => loadTiny(await trainOnce(fields));

  test('lets a short request pass a long prompt and a long answer', async () => {
    const model = await load();
    const order: string[] = [];
    const long = complete(model, { prompts: [lines.repeat(20)], max_tokens: 1 }).then(() =>
      order.push('long'),
    );
    const endless = model.complete({ ...plain, max_tokens: 100_000 }, () => {});
    await complete(model, { max_tokens: 3 }).then(() => order.push('short'));
    endless.cancel();
    await long;
    expect(order).toEqual(['short', 'long']);
    await model.close();
  });

  test('waits for a slow reader without holding up the others, and gives it the same text', async () => {
    let rows = 0;
    const weights = await trainOnce(networks[0]![1]);
    const model = await LanguageModel.load(weights, createReference(), {}, (stepped) => (rows = stepped));
    const expected = await complete(model, { max_tokens: 30 });
    let text = '';
    let given = 0;
    const slow = model.complete(
      { ...plain, max_tokens: 30 },
      (chunk) => {
        given++;
        text += chunk.text;
      },
      { credit: 2 },
    );
    await complete(model, { max_tokens: 20, seed: 1 });
    expect(given).toBe(2);
    expect(rows).toBe(1);
    for (let more = 3; more <= 30; more++) {
      slow.give(1);
      while (given < more) await turn();
      expect(given).toBe(more);
    }
    await slow.result;
    expect(text).toBe(expected.choices[0]!.text);
    await model.close();
  });

  test('gives a newcomer its first token before the step of many others, and the same text', async () => {
    const rows: number[] = [];
    const weights = await trainOnce(networks[0]![1]);
    const model = await LanguageModel.load(weights, createReference(), {}, (stepped) => rows.push(stepped));
    const expected = await complete(model, { max_tokens: 5 });
    const others = model.complete({ ...plain, max_tokens: 100_000, n: 20, best_of: 20 }, () => {});
    while (rows.at(-1) !== 20) await turn();
    rows.length = 0;
    const streamed = await complete(model, { max_tokens: 5 });
    // One for the first token, and the other four beside everybody else's.
    expect(rows.filter((count) => count !== 20)).toEqual([1, 21, 21, 21, 21]);
    rows.length = 0;
    // Nobody waits for the first token of a text that is answered as a whole.
    const whole = await complete(model, { max_tokens: 5, whole: true });
    expect(rows.filter((count) => count !== 20)).toEqual([21, 21, 21, 21, 21]);
    others.cancel();
    expect(streamed.choices).toEqual(expected.choices);
    expect(whole.choices).toEqual(expected.choices);
    await model.close();
  });

  test('is left by a cancelled call before the next step', async () => {
    const model = await load();
    let given = 0;
    const call = model.complete({ ...plain, max_tokens: 1000, n: 3, best_of: 3 }, () => {
      given++;
      if (given === 7) call.cancel();
    });
    const other = await complete(model, { max_tokens: 40, seed: 3 });
    expect(given).toBeLessThanOrEqual(9);
    expect((await call.result).session).toBeNull();
    expect(other.choices[0]!.text).toHaveLength(40);
    await model.close();
  });

  test('takes more streams than it steps at once', async () => {
    const model = await load();
    const many = complete(model, { n: 300, max_tokens: 2 });
    const one = await complete(model, { max_tokens: 2 });
    const { choices, result } = await many;
    expect(choices.every(({ text }) => text.length === 2)).toBe(true);
    expect(choices[0]).toEqual(one.choices[0]);
    expect(result.completion_tokens).toBe(600);
    await model.close();
  });

  test('reads prompts of any lengths side by side with the bits of each alone', async () => {
    const model = await load({ text: { sequences: 'lines' }, model: { cell: 'gru', norm: 'batch' } });
    const prompts = [1, 5, 9, 40, 129, 300].map((length) => lines.replaceAll('\n', ' ').slice(0, length));
    const alone = [];
    for (const prompt of prompts) alone.push((await complete(model, { prompts: [prompt] })).choices[0]!.text);
    // Prompt 0 draws from sequence 0: as many calls as prompts.
    const together = await Promise.all(prompts.map((prompt) => complete(model, { prompts: [prompt] })));
    expect(together.map(({ choices }) => choices[0]!.text)).toEqual(alone);
    await model.close();
  });
});
