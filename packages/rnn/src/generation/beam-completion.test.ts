import { type Backend, createReference } from '@unfold/kernels';
import { describe, expect, test } from 'vitest';
import { complete, loadTiny, plain, trainTiny } from '../../test-support/completions.ts';
import type { LanguageModel } from '../language-model.ts';

const total = (values: readonly (number | null)[]): number =>
  values.reduce<number>((a, b) => a + (b ?? 0), 0);

/** Every text of up to `longest` letters. */
const textsOf = (letters: readonly string[], longest: number): string[] =>
  longest === 0
    ? ['']
    : ['', ...letters.flatMap((letter) => textsOf(letters, longest - 1).map((t) => letter + t))];

const letters = ['a', 'b', 'c'];

const load = async (fields: object, sequences = 'lines'): Promise<LanguageModel> =>
  loadTiny(
    await trainTiny({ text: { sequences }, model: { hidden_size: 3, ...fields }, training: { epochs: 1 } }),
  );

describe.each([
  ['an end symbol', { length: 'eos' }, 3],
  ['a coin', { length: 'bernoulli' }, 3],
  ['a length drawn once', { length: 'countdown', max_length: 3, renew: false }, 3],
])('a beam over sequences ended by %s', (_, fields, longest) => {
  test('finds the likeliest texts where it is as wide as there are any', async () => {
    const spec = { text: { sequences: 'lines' }, model: { hidden_size: 3, ...fields } };
    const model = await loadTiny(
      await trainTiny({ ...spec, training: { epochs: 2 } }, 'a\nab\nabc\nb\n'.repeat(9)),
    );
    const tokens = model.tokenizer.tokens.filter((token) => letters.includes(token));
    const texts = textsOf(tokens, longest).filter((text) => fields.length !== 'countdown' || text !== '');
    const scored = await Promise.all(
      texts.map(async (text) => ({ text, total: (await model.score(text)).total })),
    );
    const expected = scored.sort((a, b) => b.total - a.total).slice(0, 4);
    const { choices } = await complete(model, {
      beam_width: 64,
      n: 4,
      max_tokens: longest + 1,
      logprobs: 0,
      logit_bias: null,
    });
    expect(choices.map(({ text }) => text)).toEqual(expected.map(({ text }) => text));
    expect(choices.every(({ finish_reason }) => finish_reason === 'stop')).toBe(true);
    await model.close();
  });
});

describe('a beam over an endless text', () => {
  test('of width 1 is greedy, and wider ones never find anything less likely', async () => {
    const model = await load({}, 'whole');
    const ask = (beam_width: number | null) =>
      complete(model, { prompts: ['the'], beam_width, max_tokens: 12, temperature: 0, logprobs: 0 });
    const greedy = await ask(null);
    const one = await ask(1);
    expect(one.choices[0]!.text).toBe(greedy.choices[0]!.text);
    const found = [];
    for (const width of [1, 4, 16]) {
      const { choices } = await ask(width);
      expect(choices[0]!.finish_reason).toBe('length');
      found.push(total(choices[0]!.logprobs!.token_logprobs));
    }
    expect(found[2]!).toBeGreaterThanOrEqual(found[0]! - 1e-9);
    await model.close();
  });

  test('gives the n best, best first, with echo, alternatives and stop strings', async () => {
    const model = await load({}, 'whole');
    const options = { prompts: ['the cat'], beam_width: 6, n: 3, max_tokens: 10, logprobs: 2 };
    const { choices } = await complete(model, { ...options, echo: true });
    const totals = choices.map(({ logprobs }) => total(logprobs!.token_logprobs));
    expect(totals).toEqual([...totals].sort((a, b) => b - a));
    expect(new Set(choices.map(({ text }) => text)).size).toBe(3);
    for (const { text, logprobs } of choices) {
      expect(text.startsWith('the cat')).toBe(true);
      expect(logprobs!.tokens.join('')).toBe(text);
    }
    const plainBest = (await complete(model, options)).choices[0]!.text;
    expect(choices[0]!.text).toBe(`the cat${plainBest}`);
    const stop = plainBest.slice(2, 4);
    const stopped = await complete(model, { ...options, stop: [stop] });
    for (const { text } of stopped.choices) expect(text).not.toContain(stop);
    await model.close();
  });

  test('reads no further once it was cancelled, and its model closes when it has ended', async () => {
    const reference = createReference();
    let steps = 0;
    const backend: Backend = {
      ...reference,
      recurrentStep(call) {
        steps++;
        reference.recurrentStep(call);
      },
    };
    const fields = { text: { sequences: 'lines' as const }, model: { length: 'bernoulli' as const } };
    const model = await loadTiny(await trainTiny(fields), backend);
    const prompts = ['the cat sat '.repeat(400)];
    const options = { ...plain, prompts, beam_width: 2, n: 1, echo: true, logprobs: 0 };
    const call = model.complete(options, () => {});
    while (steps < 10) await new Promise(setImmediate);
    call.cancel();
    await call.result;
    await model.close();
    const before = steps;
    expect(before).toBeLessThan(100);
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
    expect(steps).toBe(before);
  });

  test('of a call that is over before it begins reads nothing', async () => {
    const model = await load({}, 'whole');
    const call = model.complete({ ...plain, prompts: ['the', 'cat'] }, () => {});
    call.cancel();
    await model.close();
    await expect(call.result).resolves.toMatchObject({ completion_tokens: 0 });
    const late = model.complete({ ...plain, prompts: ['the'] }, () => {});
    await expect(late.result).rejects.toThrow('closed');
  });
});
