import { describe, expect, test } from 'vitest';
import { complete, loadTiny, trainTiny } from '../../test-support/completions.ts';
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
});
