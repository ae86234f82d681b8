import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { complete, lines, loadTiny, plain, trainTiny } from '../../test-support/completions.ts';
import type { LanguageModel } from '../language-model.ts';
import { appendLogprobs, noLogprobs } from './choice-text.ts';
import type { CompletionOptions } from './completion-options.ts';
import { PrefixCache } from './prefix-cache.ts';

const sum = (values: readonly (number | null)[]): number => values.reduce<number>((a, b) => a + (b ?? 0), 0);

let model: LanguageModel;
beforeAll(async () => {
  model = await loadTiny(await trainTiny({ model: { cell: 'gru', num_layers: 1, hidden_size: 16 } }));
});
afterAll(() => model.close());

const refused = async (options: Partial<CompletionOptions>): Promise<{ param: string; message: string }> => {
  try {
    await complete(model, options);
  } catch (error) {
    return error as { param: string; message: string };
  }
  throw new Error('it was taken');
};

describe('a completion', () => {
  test('numbers the choices of several prompts, each drawing from a sequence of its own', async () => {
    const { choices, result } = await complete(model, { prompts: ['the', 'dog '], n: 3, temperature: 3 });
    expect(new Set(choices.map(({ text }) => text)).size).toBe(6);
    expect(choices[0]).toEqual((await complete(model, { prompts: ['the'], temperature: 3 })).choices[0]);
    expect(result).toMatchObject({ prompt_tokens: 7, completion_tokens: 96 });
  });

  test('of the best of some answers those with the highest mean log-probability, best first', async () => {
    const all = await complete(model, { n: 5, logprobs: 0 });
    const means = all.choices.map(({ logprobs }) => sum(logprobs!.token_logprobs) / 16);
    const ranked = all.choices.map((_, k) => k).sort((a, b) => means[b]! - means[a]!);
    const best = await complete(model, { n: 2, best_of: 5 });
    expect(best.choices.map(({ text }) => text)).toEqual(ranked.slice(0, 2).map((k) => all.choices[k]!.text));
    expect(best.result.completion_tokens).toBe(80);
  });

  test('reads token ids as it reads their text', async () => {
    const ids = [...model.tokenizer.encode('the cat')];
    const { choices } = await complete(model, { prompts: [ids], echo: true });
    expect(choices).toEqual((await complete(model, { prompts: ['the cat'], echo: true })).choices);
    expect(choices[0]!.text.startsWith('the cat')).toBe(true);
  });

  test('writes nothing where no tokens are asked for, but echoes', async () => {
    const { choices, result } = await complete(model, { prompts: ['the', 'a'], max_tokens: 0, echo: true });
    expect(choices).toEqual([
      { text: 'the', finish_reason: 'length', logprobs: null },
      { text: 'a', finish_reason: 'length', logprobs: null },
    ]);
    expect(result.completion_tokens).toBe(0);
  });

  test.each<[string, Partial<CompletionOptions>, string]>([
    ['ids beyond the vocabulary', { prompts: [[1, 999]] }, 'prompt'],
    ['ids that are none', { prompts: [[-1]] }, 'prompt'],
    ['a bias for a token that there is not', { logit_bias: { 999: 1 } }, 'logit_bias'],
    ['a bias for what is no id', { logit_bias: { the: 1 } }, 'logit_bias'],
    ['a bias beyond its range', { logit_bias: { 1: 101 } }, 'logit_bias'],
    ['fewer texts than answers', { n: 2, best_of: 1 }, 'best_of'],
    ['a beam narrower than its answers', { n: 3, beam_width: 2 }, 'beam_width'],
    ['penalties beside a beam', { beam_width: 2, presence_penalty: 1 }, 'presence_penalty'],
    ['a session of two texts', { n: 2, session: { state: null } }, 'n'],
    ['a session of two prompts', { prompts: ['a', 'b'], session: { state: null } }, 'prompt'],
    ['a session with a beam', { beam_width: 1, session: { state: null } }, 'beam_width'],
    ['a state that is none', { session: { state: new Uint8Array(40) } }, 'session'],
    ['a context where there is none', { context: 'x' }, 'context'],
  ])('refuses %s, by name', async (_, options, param) => {
    expect(await refused(options)).toMatchObject({ code: 'invalid_value', param });
  });

  test('refuses a bias that leaves nothing to write', async () => {
    const all = Object.fromEntries(model.tokenizer.tokens.map((_, id) => [id, -100]));
    expect(await refused({ logit_bias: all })).toMatchObject({ param: 'logit_bias' });
    expect(await refused({ logit_bias: { [model.tokenizer.unknown!]: 100 } })).toMatchObject({
      param: 'logit_bias',
    });
  });
});

describe('logits are changed', () => {
  const idOf = (text: string): number => model.tokenizer.tokens.indexOf(text);

  test('by a bias that bans and one that forces', async () => {
    const banned = await complete(model, { logit_bias: { [idOf('t')]: -100 }, max_tokens: 80 });
    expect(banned.choices[0]!.text).not.toContain('t');
    const forced = await complete(model, { logit_bias: { [idOf('g')]: 100 }, temperature: 0 });
    expect(forced.choices[0]!.text).toBe('g'.repeat(16));
    const leaning = await complete(model, { logit_bias: { [idOf('g')]: 99 } });
    expect(leaning.choices[0]!.text).toBe('g'.repeat(16));
  });

  test('by penalties that count what was written: each token once before any twice', async () => {
    const { choices } = await complete(model, { presence_penalty: 1e6, temperature: 0, max_tokens: 20 });
    const written = [...choices[0]!.text];
    expect(new Set(written).size).toBe(Math.min(20, model.vocabularySize - 1));
    const frequent = await complete(model, { frequency_penalty: 1e6, max_tokens: 60, temperature: 0 });
    const counts = new Map<string, number>();
    for (const text of frequent.choices[0]!.text) counts.set(text, (counts.get(text) ?? 0) + 1);
    expect(Math.max(...counts.values()) - Math.min(...counts.values())).toBeLessThanOrEqual(1);
  });

  test('but log-probabilities are those of the model itself', async () => {
    const { choices } = await complete(model, {
      prompts: ['the cat '],
      logit_bias: { [idOf('g')]: 100 },
      max_tokens: 2,
      logprobs: 0,
      echo: true,
    });
    const { log_probabilities } = await model.score('the cat gg');
    choices[0]!.logprobs!.token_logprobs.forEach((value, k) => {
      if (value === null) expect(log_probabilities[k]).toBeNull();
      else expect(value).toBeCloseTo(log_probabilities[k]!, 5);
    });
  });
});

describe('log-probabilities', () => {
  test('of a prompt longer than a call has arguments are put together', () => {
    const most = 300_000;
    const long = { ...noLogprobs(), tokens: new Array<string>(most).fill('a') };
    const all = noLogprobs();
    appendLogprobs(all, long);
    expect(all.tokens).toHaveLength(most);
  });

  test.each([
    ['char', { text: {} }],
    ['word', { text: { level: 'word' } }],
    ['sequences', { text: { sequences: 'lines' } }],
    ['coins', { text: { sequences: 'lines' }, model: { length: 'bernoulli' } }],
  ])('are the scores of prompt and text, with their places and alternatives: %s', async (_, fields) => {
    const own = await loadTiny(await trainTiny(fields));
    const prompt = 'the dog sat';
    const { choices } = await complete(own, { prompts: [prompt], echo: true, logprobs: 3, max_tokens: 9 });
    const { text, logprobs, finish_reason } = choices[0]!;
    const { tokens, token_logprobs, top_logprobs, text_offset } = logprobs!;
    expect(tokens.join('')).toBe(text);
    text_offset.forEach((offset, k) => {
      expect(text.slice(offset, offset + tokens[k]!.length)).toBe(tokens[k]);
    });
    const score = await own.score(text);
    // Words may be cut another way when they are read back.
    if (fields.text && 'level' in fields.text && score.tokens.join('|') !== tokens.join('|'))
      return own.close();
    const compared = finish_reason === 'length' ? tokens.length : tokens.length - 1;
    for (let k = 0; k < compared; k++) {
      if (score.log_probabilities[k] === null) expect(token_logprobs[k]).toBeNull();
      else expect(token_logprobs[k]!).toBeCloseTo(score.log_probabilities[k]!, 4);
    }
    top_logprobs.forEach((top, k) => {
      if (top === null) {
        expect(k).toBe(0);
        return;
      }
      const values = Object.values(top);
      expect(values.length).toBeGreaterThanOrEqual(3);
      expect(values.length).toBeLessThanOrEqual(4);
      expect(top[tokens[k]!]).toBe(token_logprobs[k]);
      expect(Math.max(...values)).toBe(values[0]);
    });
    await own.close();
  });

  test('of bytes come once the text of their character is shown', async () => {
    const own = await loadTiny(await trainTiny({ text: { level: 'byte' } }));
    const bias = Object.fromEntries([...Buffer.from('€')].map((byte) => [byte, 100]));
    const { chunks, choices } = await complete(own, { max_tokens: 40, logprobs: 1, logit_bias: bias });
    expect(choices[0]!.logprobs!.tokens).toHaveLength(40);
    let shown = 0;
    for (const { text, logprobs } of chunks) {
      shown += text.length;
      for (const offset of logprobs!.text_offset) expect(offset).toBeLessThanOrEqual(shown);
    }
    await own.close();
  });
});

test('nothing of a stop string is shown, across the borders of tokens', async () => {
  const whole = (await complete(model, { max_tokens: 60 })).choices[0]!.text;
  const stop = whole.slice(20, 25);
  const { chunks, choices } = await complete(model, { max_tokens: 60, stop: [stop], logprobs: 0 });
  expect(choices[0]).toMatchObject({ text: whole.slice(0, whole.indexOf(stop)), finish_reason: 'stop' });
  expect(choices[0]!.logprobs!.tokens.join('')).toBe(choices[0]!.text);
  expect(chunks.filter(({ finish_reason }) => finish_reason)).toHaveLength(1);
});

test('a reader of whole texts gets one chunk a choice, and the same text', async () => {
  const pieces = await complete(model, { n: 2, logprobs: 1 });
  const whole = await complete(model, { n: 2, logprobs: 1, whole: true });
  expect(whole.choices).toEqual(pieces.choices);
  expect(whole.chunks).toHaveLength(2);
});

describe('cached prefixes', () => {
  const prompts = [lines.slice(0, 700), `${lines.slice(0, 700)}dog`, `${lines.slice(0, 300)}xyz`, 'the'];

  test('change no bit, and save the reading', async () => {
    const cache = new PrefixCache(1 << 20);
    for (const [k, prompt] of prompts.entries()) {
      const expected = await complete(model, { prompts: [prompt], seed: k });
      for (const saved of [[0, 699, 256, 0][k]!, prompt.length - 1]) {
        const { choices, result } = await complete(model, { prompts: [prompt], seed: k }, cache);
        expect(choices).toEqual(expected.choices);
        expect(result.cached_tokens).toBe(saved);
      }
    }
  });

  test('are nobody else’s: not another scope’s, not another model’s, not another context’s', async () => {
    const cache = new PrefixCache(1 << 20);
    const ask = async (options: Partial<CompletionOptions>, of = model): Promise<number> =>
      (await complete(of, { prompts: [lines.slice(0, 200)], ...options }, cache)).result.cached_tokens;
    expect(await ask({})).toBe(0);
    expect(await ask({ cache_scope: 'other' })).toBe(0);
    const other = await loadTiny(await trainTiny({ seed: 2, model: { cell: 'gru', hidden_size: 16 } }));
    expect(await ask({}, other)).toBe(0);
    expect(await ask({})).toBe(199);
    await other.close();
  });

  test('stay within their memory, the least recently used going first', async () => {
    const cache = new PrefixCache(3000);
    for (let k = 0; k < 20; k++) {
      await complete(model, { prompts: [`${'ab'.repeat(k)}the cat`] }, cache);
      await complete(model, { prompts: ['the dog'] }, cache);
      expect(cache.bytes).toBeLessThanOrEqual(3000);
    }
    const { result } = await complete(model, { prompts: ['the dog'] }, cache);
    expect(result.cached_tokens).toBe(6);
    const none = new PrefixCache(0);
    await complete(model, { prompts: ['the dog'] }, none);
    expect((await complete(model, { prompts: ['the dog'] }, none)).result.cached_tokens).toBe(0);
  });
});

test('a call fails alone where the model cannot go on', async () => {
  const call = model.complete({ ...plain, prompts: ['the'], max_tokens: 5 }, () => {
    throw new Error('the reader broke');
  });
  await expect(call.result).rejects.toThrow('the reader broke');
  expect((await complete(model, { max_tokens: 3 })).choices[0]!.text).toHaveLength(3);
});
