import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { publish, type Trained, trainModel } from '../trained-model.ts';
import { failureOf, type OpenAiApi, startOpenAiApi } from './client.ts';

type Request = Omit<OpenAI.CompletionCreateParamsNonStreaming, 'model' | 'prompt'> & {
  prompt?: OpenAI.CompletionCreateParams['prompt'];
  top_k?: number;
  beam_width?: number;
};

let api: OpenAiApi;
let client: OpenAI;
let trained: Trained;

beforeAll(async () => {
  trained = await trainModel();
  api = await startOpenAiApi();
  client = api.client;
  await publish(api, trained, 'cats');
  const lines = ['the cat sat', 'the dog lay', 'the cow ran'].join('\n');
  await publish(api, await trainModel({ text: { sequences: 'lines' } }, `${lines}\n`.repeat(40)), 'lines');
});
afterAll(async () => api.stop());

const create = (request: Request, model = 'cats'): Promise<OpenAI.Completion> =>
  client.completions.create({ model, prompt: 'the', max_tokens: 20, seed: 7, ...request });
const choicesOf = async (request: Request, model?: string) => (await create(request, model)).choices;
const textsOf = async (request: Request): Promise<string[]> =>
  (await choicesOf(request)).map(({ text }) => text);
const textOf = async (request: Request): Promise<string> => (await textsOf(request))[0]!;
const ids = (text: string): number[] => [...trained.model.tokenizer.encode(text)];
const meanLogprob = ({ logprobs }: OpenAI.CompletionChoice): number => {
  const values = logprobs!.token_logprobs!;
  return values.reduce((a, b) => a + b, 0) / values.length;
};

describe('what is written', () => {
  it('is the same for the same seed, and another text for another', async () => {
    const text = await textOf({});
    expect(text).toHaveLength(20);
    expect(await textOf({})).toBe(text);
    expect(await textOf({ seed: 8 })).not.toBe(text);
    const [one, two] = [await textOf({ seed: null }), await textOf({ seed: null })];
    expect(one).not.toBe(two);
  });

  it('is the likeliest at temperature 0, for top_k 1 and for a tiny top_p', async () => {
    const greedy = await textOf({ temperature: 0 });
    expect(await textOf({ top_k: 1 })).toBe(greedy);
    expect(await textOf({ top_p: 1e-9 })).toBe(greedy);
    expect(await textOf({ temperature: 2 })).not.toBe(greedy);
  });

  it('is as long as max_tokens asks for, from nothing on', async () => {
    for (const max_tokens of [0, 1, 5]) {
      const { choices, usage } = await create({ max_tokens });
      expect(choices[0]).toMatchObject({ finish_reason: 'length', index: 0, logprobs: null });
      expect(choices[0]?.text).toHaveLength(max_tokens);
      expect(usage).toMatchObject({
        prompt_tokens: 3,
        completion_tokens: max_tokens,
        total_tokens: 3 + max_tokens,
      });
    }
    expect((await create({ max_tokens: null })).usage?.completion_tokens).toBe(256);
  });

  it('ends where a sequence ends', async () => {
    const [choice] = await choicesOf({ prompt: '', max_tokens: 200 }, 'lines');
    expect(choice?.finish_reason).toBe('stop');
    expect(choice?.text).not.toContain('\n');
  });

  it('ends before a stop text, wherever the borders of tokens are', async () => {
    const text = await textOf({ max_tokens: 120 });
    for (const stop of [text.slice(30, 35), [text.slice(60, 64), text.slice(90, 93)], ['nowhere at all']]) {
      const found = [stop]
        .flat()
        .map((each) => text.indexOf(each))
        .filter((at) => at >= 0);
      const [choice] = await choicesOf({ max_tokens: 120, stop });
      expect(choice?.text).toBe(text.slice(0, Math.min(120, ...found)));
      expect(choice?.finish_reason).toBe(found.length > 0 ? 'stop' : 'length');
    }
    expect(await textOf({ max_tokens: 120, stop: null })).toBe(text);
  });

  it('begins with the prompt for echo, which alone may be asked for', async () => {
    const text = await textOf({ prompt: 'the cat' });
    expect(await textOf({ prompt: 'the cat', echo: true })).toBe(`the cat${text}`);
    expect(await textOf({ prompt: 'the cat', echo: true, max_tokens: 0 })).toBe('the cat');
  });

  it('follows logit_bias, which forces and bans tokens', async () => {
    const [a, b] = ids('ab');
    expect(await textOf({ logit_bias: { [a!]: 100 } })).toBe('a'.repeat(20));
    const common = ids(await textOf({ temperature: 0 }))[0]!;
    const without = await textOf({ temperature: 0, logit_bias: { [common]: -100 } });
    expect(ids(without)).not.toContain(common);
    expect(await textOf({ logit_bias: {} })).toBe(await textOf({}));
    expect(await textOf({ logit_bias: { [b!]: 0 } })).toBe(await textOf({}));
  });

  it('repeats itself less for penalties, and more for negative ones', async () => {
    const kinds = async (request: Request): Promise<number> =>
      new Set(await textOf({ max_tokens: 12, temperature: 0, ...request })).size;
    const plain = await kinds({});
    expect(await kinds({ presence_penalty: 2, frequency_penalty: 2 })).toBeGreaterThan(plain);
    expect(await kinds({ frequency_penalty: -2, presence_penalty: -2 })).toBeLessThan(plain);
    expect(await textOf({ presence_penalty: 0, frequency_penalty: 0 })).toBe(await textOf({}));
  });
});

describe('prompts', () => {
  it('are texts or tokens, one or many', async () => {
    const greedy = { temperature: 0 } as const;
    const [first, second] = [
      await textOf({ ...greedy, prompt: 'the' }),
      await textOf({ ...greedy, prompt: 'a dog' }),
    ];
    expect(await textsOf({ ...greedy, prompt: ['the', 'a dog'] })).toEqual([first, second]);
    expect(await textsOf({ ...greedy, prompt: ids('the') })).toEqual([first]);
    expect(await textsOf({ ...greedy, prompt: [ids('a dog'), ids('the')] })).toEqual([second, first]);
    const { usage } = await create({ ...greedy, prompt: ['the', 'a dog'] });
    expect(usage).toMatchObject({ prompt_tokens: 8, completion_tokens: 40, total_tokens: 48 });
    const anew = await textOf({ ...greedy, prompt: '' });
    expect(await textOf({ ...greedy, prompt: null })).toBe(anew);
  });

  it('that were read before need not be read again', async () => {
    const prompt = 'the dog lay by the fog. '.repeat(20);
    const first = await create({ prompt });
    const second = await create({ prompt });
    expect(second.choices).toEqual(first.choices);
    expect(second.usage?.prompt_tokens_details?.cached_tokens).toBeGreaterThan(prompt.length / 2);
  });
});

describe('choices', () => {
  it('are n a prompt, each another text, numbered prompt by prompt', async () => {
    const choices = await choicesOf({ prompt: ['the', 'a dog'], n: 3 });
    expect(choices.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(new Set(choices.map(({ text }) => text)).size).toBe(6);
    expect(choices[0]?.text).toBe(await textOf({}));
  });

  it('are the best of more, by their mean log-probability', async () => {
    const all = await choicesOf({ n: 5, logprobs: 0 });
    const { choices, usage } = await create({ n: 2, best_of: 5, logprobs: 0 });
    const best = all.toSorted((a, b) => meanLogprob(b) - meanLogprob(a)).slice(0, 2);
    expect(choices.map(({ text }) => text)).toEqual(best.map(({ text }) => text));
    expect(choices.map(({ index }) => index)).toEqual([0, 1]);
    expect(usage?.completion_tokens).toBe(100);
  });

  it('are searched for with beam_width, the likeliest first', async () => {
    const choices = await choicesOf({ n: 3, beam_width: 4, logprobs: 0, max_tokens: 8 });
    const means = choices.map(meanLogprob);
    expect(means).toEqual(means.toSorted((a, b) => b - a));
    const [greedy] = await choicesOf({ temperature: 0, logprobs: 0, max_tokens: 8 });
    expect(means[0]).toBeGreaterThanOrEqual(meanLogprob(greedy!) - 1e-9);
    expect(await textsOf({ n: 1, beam_width: 1, max_tokens: 8 })).toEqual([greedy?.text]);
  });
});

describe('log-probabilities', () => {
  it('are those of the tokens and of the likeliest in their place', async () => {
    const [choice] = await choicesOf({ logprobs: 5 });
    const { tokens, token_logprobs, top_logprobs, text_offset } = choice!
      .logprobs as Required<OpenAI.CompletionChoice.Logprobs>;
    expect(tokens.join('')).toBe(choice?.text);
    expect(text_offset).toEqual(tokens.map((_, k) => tokens.slice(0, k).join('').length));
    expect(token_logprobs).toHaveLength(20);
    top_logprobs.forEach((top, k) => {
      const values = Object.values(top);
      expect(values.length).toBeGreaterThanOrEqual(5);
      expect(values.length).toBeLessThanOrEqual(6);
      expect(top[tokens[k]!]).toBeCloseTo(token_logprobs[k]!, 6);
      expect(Math.max(...values)).toBeLessThanOrEqual(0);
      expect(values.reduce((sum, value) => sum + Math.exp(value), 0)).toBeLessThanOrEqual(1 + 1e-6);
    });
    const greedy = (await choicesOf({ temperature: 0, logprobs: 1 }))[0]!.logprobs!;
    expect(greedy.top_logprobs!.map((top) => Object.keys(top))).toEqual(
      greedy.tokens!.map((token) => [token]),
    );
    const none = (await choicesOf({ logprobs: 0 }))[0]!.logprobs!;
    expect(none.token_logprobs).toEqual(token_logprobs);
  });

  it('score a text with echo, as the score does', async () => {
    const prompt = 'the cat sat on the mat';
    const [choice] = await choicesOf({ prompt, echo: true, logprobs: 0, max_tokens: 0 });
    const score = await client.post<{ data: { tokens: string[]; log_probabilities: (number | null)[] }[] }>(
      '/models/cats/score',
      { body: { input: prompt } },
    );
    expect(choice?.logprobs?.tokens).toEqual(score.data[0]?.tokens);
    const given = choice!.logprobs!.token_logprobs as (number | null)[];
    expect(given[0]).toBeNull();
    for (const [k, value] of given.entries())
      if (k > 0) expect(value).toBeCloseTo(score.data[0]!.log_probabilities[k]!, 5);
  });
});

describe('streams', () => {
  it('mix the choices, each of which comes whole and ends once', async () => {
    const request = {
      model: 'cats',
      prompt: ['the', 'a dog'],
      n: 2,
      max_tokens: 25,
      seed: 7,
      logprobs: 2,
      echo: true,
    };
    const whole = await client.completions.create(request);
    const choices = whole.choices.map(({ index }) => ({
      index,
      text: '',
      finish_reason: [] as string[],
      tokens: [] as string[],
      offsets: [] as number[],
    }));
    let usage: OpenAI.CompletionUsage | null | undefined;
    const options = { ...request, stream: true, stream_options: { include_usage: true } } as const;
    for await (const part of await client.completions.create(options)) {
      usage = part.usage;
      for (const { index, text, finish_reason, logprobs } of part.choices) {
        const choice = choices[index]!;
        choice.text += text;
        if (finish_reason) choice.finish_reason.push(finish_reason);
        choice.tokens.push(...(logprobs?.tokens ?? []));
        choice.offsets.push(...(logprobs?.text_offset ?? []));
      }
    }
    expect(choices).toEqual(
      whole.choices.map(({ index, text, finish_reason, logprobs }) => ({
        index,
        text,
        finish_reason: [finish_reason],
        tokens: logprobs?.tokens,
        offsets: logprobs?.text_offset,
      })),
    );
    expect(usage).toMatchObject({ prompt_tokens: 8, completion_tokens: 100, total_tokens: 108 });
  });
});

describe('refusals', () => {
  it.each<[object, string, string]>([
    [{ n: 0 }, 'n', 'invalid_value'],
    [{ n: 129 }, 'n', 'invalid_value'],
    [{ n: 3, best_of: 2 }, 'best_of', 'contradictory_options'],
    [{ best_of: 2, stream: true }, 'best_of', 'contradictory_options'],
    [{ prompt: ['a', 'b', 'c'], n: 50 }, 'n', 'invalid_value'],
    [{ prompt: Array(65).fill('a') }, 'prompt', 'invalid_value'],
    [{ prompt: [] }, 'prompt', 'invalid_value'],
    [{ prompt: ['a', 1] }, 'prompt[1]', 'invalid_value'],
    [{ prompt: [1, 'a'] }, 'prompt[1]', 'invalid_value'],
    [{ prompt: [[1], []] }, 'prompt[1]', 'invalid_value'],
    [{ prompt: [1.5] }, 'prompt[0]', 'invalid_value'],
    [{ prompt: [1_000_000] }, 'prompt', 'invalid_value'],
    [{ prompt: { text: 'a' } }, 'prompt', 'invalid_value'],
    [{ max_tokens: -1 }, 'max_tokens', 'invalid_value'],
    [{ temperature: -0.1 }, 'temperature', 'invalid_value'],
    [{ top_p: 0 }, 'top_p', 'invalid_value'],
    [{ logprobs: 6 }, 'logprobs', 'invalid_value'],
    [{ stop: ['a', 'b', 'c', 'd', 'e'] }, 'stop', 'invalid_value'],
    [{ stop: '' }, 'stop', 'invalid_value'],
    [{ seed: -1 }, 'seed', 'invalid_value'],
    [{ frequency_penalty: 2.1 }, 'frequency_penalty', 'invalid_value'],
    [{ presence_penalty: -2.1 }, 'presence_penalty', 'invalid_value'],
    [{ logit_bias: { 1: 101 } }, 'logit_bias.1', 'invalid_value'],
    [{ logit_bias: { a: 1 } }, 'logit_bias.a', 'invalid_value'],
    [{ logit_bias: { 999999: 1 } }, 'logit_bias', 'invalid_value'],
    [{ suffix: 'and so on' }, 'suffix', 'invalid_value'],
    [{ stream_options: { include_usage: true } }, 'stream_options', 'contradictory_options'],
    [{ n: 3, beam_width: 2 }, 'n', 'contradictory_options'],
    [{ beam_width: 2, top_k: 3 }, 'top_k', 'contradictory_options'],
    [{ beam_width: 2, stream: true }, 'stream', 'contradictory_options'],
    [{ beam_width: 2, presence_penalty: 1 }, 'presence_penalty', 'contradictory_options'],
    [{ session: 'sess-nope' }, 'session', 'not_found'],
    [{ colour: 'red' }, 'colour', 'unknown_field'],
  ])('%j name the field', async (request, param, code) => {
    const failure = await failureOf(create(request as Request));
    expect(failure).toBeInstanceOf(code === 'not_found' ? OpenAI.NotFoundError : OpenAI.BadRequestError);
    expect(failure).toMatchObject({ param, code });
  });
});
