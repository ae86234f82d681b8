import { type Backend, createReference } from '@unfold/kernels';
import { beforeAll, describe, expect, test } from 'vitest';
import { checkpointsOf, record, sentence, textFile, tinySpec } from '../../test-support/runs.ts';
import { type LanguageModelOptions as GenerateOptions, LanguageModel } from '../language-model.ts';
import { createTokenizer } from '../text/create-tokenizer.ts';
import { exportWeights } from '../weights/export.ts';
import type { GeneratedToken } from './generate.ts';
import { candidates, type SamplingOptions, sampleToken } from './sampler.ts';
import { createStopFilter } from './stop-filter.ts';
import { cleanText, createTextStream } from './text-stream.ts';

const plain = { temperature: 1, top_k: null, top_p: 1 };

describe('the sampler', () => {
  const probabilities = [0.4, 0.3, 0.15, 0.1, 0.05];
  const logits = probabilities.map(Math.log);

  /** Pearson's statistic of draws at evenly spread places of a Weyl sequence, against expected shares. */
  const chiSquare = (expected: number[], options: Partial<SamplingOptions>): number => {
    const draws = 20_000;
    const counts = new Array(logits.length).fill(0);
    let uniform = 0.5;
    for (let k = 0; k < draws; k++) {
      uniform = (uniform + 0.6180339887498949 + 0.1 * Math.sin(k) ** 2) % 1;
      counts[sampleToken(logits, { ...plain, ...options }, uniform, null).token]++;
    }
    return expected.reduce((sum, share, v) => {
      if (share === 0) expect(counts[v]).toBe(0);
      return share === 0 ? sum : sum + (counts[v] - draws * share) ** 2 / (draws * share);
    }, 0);
  };
  const normalised = (weights: number[]): number[] => {
    const total = weights.reduce((a, b) => a + b);
    return weights.map((weight) => weight / total);
  };

  test.each([
    ['at temperature 1', probabilities, {}],
    ['at temperature 0.5', normalised(probabilities.map((p) => p ** 2)), { temperature: 0.5 }],
    ['at temperature 2', normalised(probabilities.map((p) => p ** 0.5)), { temperature: 2 }],
    ['with top-k', normalised([0.4, 0.3, 0, 0, 0]), { top_k: 2 }],
    ['with top-p', normalised([0.4, 0.3, 0.15, 0, 0]), { top_p: 0.75 }],
    ['with all three', normalised([0.16, 0.09, 0, 0, 0]), { temperature: 0.5, top_k: 4, top_p: 0.7 }],
  ])('draws from the distribution asked for (chi-square) %s', (_, expected, options) => {
    // The 99.9 % quantile of four degrees of freedom.
    expect(chiSquare(expected, options)).toBeLessThan(18.5);
  });

  test('takes the likeliest at temperature 0, of equal ones the lowest id', () => {
    expect(sampleToken([1, 3, 3], { ...plain, temperature: 0 }, 0.9, null).token).toBe(1);
    expect(sampleToken([5, 3, 3], { ...plain, temperature: 0 }, 0.9, 0).token).toBe(1);
  });

  test('keeps the lowest ids of equal ones in top-k', () => {
    expect([...candidates([1, 1, 1, 1], { ...plain, top_k: 2 }, 0).tokens]).toEqual([1, 2]);
  });

  test('never draws the excluded token, however likely', () => {
    for (let u = 0; u < 1; u += 0.01) expect(sampleToken([50, 0, 0], plain, u, 0).token).not.toBe(0);
  });

  test('reports the model’s own log-probability, whatever was cut off', () => {
    const { log_probability } = sampleToken(logits, { temperature: 0.3, top_k: 1, top_p: 0.1 }, 0.5, null);
    expect(log_probability).toBeCloseTo(Math.log(0.4), 12);
  });

  test('survives a tiny temperature and logits far apart', () => {
    expect(sampleToken([-1e30, 0, 1e30], { ...plain, temperature: 1e-30 }, 0.999999, null).token).toBe(2);
    expect(sampleToken([0, -Infinity], plain, 1 - 2 ** -53, null).token).toBe(0);
  });
});

describe('stop strings', () => {
  const run = (pieces: string[], stops: string[]): { text: string; stopped: boolean } => {
    const filter = createStopFilter(stops);
    let text = '';
    for (const piece of pieces) {
      const shown = filter.push(piece);
      text += shown.text;
      for (const stop of stops) expect(text).not.toContain(stop);
      if (shown.stopped) return { text, stopped: true };
    }
    return { text: text + filter.finish(), stopped: false };
  };

  test.each([
    [['ab', 'cd'], ['bc'], 'a', true],
    [['a', 'a', 'a', 'b'], ['aab'], 'a', true],
    [['x\n', '\n', 'y'], ['\n\n'], 'x', true],
    [['abab', 'abac'], ['abac'], 'abab', true],
    [['hel', 'lo'], ['low'], 'hello', false],
    [['abcd'], ['cd', 'bc'], 'a', true],
    [['STOP'], ['STOP'], '', true],
    [['', 'a', ''], ['b'], 'a', false],
    [['😀', '😀x'], ['😀x'], '😀', true],
  ])('are never shown, not even in part: %j with %j', (pieces, stops, text, stopped) => {
    expect(run(pieces, stops)).toEqual({ text, stopped });
  });

  test('are found across the bytes of a character', () => {
    const stream = createTextStream(
      createTokenizer({ level: 'byte', tokens: Array.from({ length: 256 }, (_, k) => `${k}`) }),
      ['€!'],
    );
    const shown = [...Buffer.from('a€b€!')].map((byte) => stream.push(byte, false));
    expect(shown.map(({ text }) => text).join('')).toBe('a€b');
    expect(shown.at(-1)!.stopped).toBe(true);
  });
});

test('text that JSON or a database cannot carry becomes U+FFFD', () => {
  expect(cleanText('a\0b\ud800c\udc00d😀')).toBe('a\uFFFDb\uFFFDc\uFFFDd😀');
});

const collect = async (model: LanguageModel, options: GenerateOptions): Promise<GeneratedToken[]> => {
  const tokens: GeneratedToken[] = [];
  for await (const token of model.generate(options)) tokens.push(token);
  return tokens;
};
const textOf = (tokens: GeneratedToken[]): string => tokens.map(({ text }) => text).join('');

describe.each([
  ['char', { cell: 'lstm', num_layers: 2, embedding_size: 8 }],
  ['word', { cell: 'gru', num_layers: 1 }],
  ['byte', { cell: 'elman', num_layers: 2 }],
] as const)('a model of %ss', (level, options) => {
  let model: LanguageModel;
  let backend: Backend;
  beforeAll(async () => {
    const run = await record({
      spec: tinySpec({
        text: { level },
        model: { hidden_size: 24, ...options },
        training: { epochs: 12, evaluate_every: 1000, optimizer: { learning_rate: 0.01 } },
      }),
      data: textFile(`${sentence}\n`.repeat(6)),
    });
    backend = createReference();
    model = await LanguageModel.load(exportWeights(checkpointsOf(run).at(-1)!.data), backend);
  });

  test('writes the same text for the same seed, another for another', async () => {
    const ask = { prompt: 'the quick', max_tokens: 40, seed: 5 };
    const first = await collect(model, ask);
    expect(await collect(model, ask)).toEqual(first);
    expect(await collect(model, { ...ask, seed: 6 })).not.toEqual(first);
    expect(first).toHaveLength(40);
    expect(first.map(({ finish_reason }) => finish_reason).filter(Boolean)).toEqual(['length']);
  });

  test('never writes <unk>', async () => {
    for (const seed of [1, 2, 3])
      for (const { token } of await collect(model, { prompt: '', max_tokens: 60, temperature: 5, seed }))
        expect(token).not.toBe(model.tokenizer.unknown);
  });

  test('gives every token the log-probability that scoring gives it', async () => {
    const prompt = 'the quick brown ';
    const tokens = await collect(model, { prompt, max_tokens: 20, temperature: 0 });
    const score = await model.score(prompt + textOf(tokens));
    const start = model.countTokens(prompt);
    // Words and bytes may be cut another way when they are read back.
    if (level === 'char') expect(score.tokens.length).toBe(start + tokens.length);
    else if (score.tokens.length !== start + tokens.length) return;
    tokens.forEach(({ log_probability }, k) => {
      expect(log_probability).toBeCloseTo(score.log_probabilities[start + k]!, 5);
    });
  });

  test('starts from an empty prompt as after the end of a line', async () => {
    const empty = await collect(model, { prompt: '', max_tokens: 10, seed: 1 });
    expect(empty).toEqual(await collect(model, { prompt: '\n', max_tokens: 10, seed: 1 }));
  });

  test('interleaves with others without disturbing them', async () => {
    const ask = (seed: number) => ({ prompt: 'dog', max_tokens: 15, seed });
    const alone = [await collect(model, ask(1)), await collect(model, ask(2))];
    expect(await Promise.all([collect(model, ask(1)), collect(model, ask(2))])).toEqual(alone);
  });

  test('scores a text in chunks as at once, the first token without context', async () => {
    const text = sentence.repeat(9);
    const score = await model.score(text);
    expect(score.tokens.length).toBe(model.countTokens(text));
    expect(score.log_probabilities.length).toBe(score.tokens.length);
    expect(score.log_probabilities[0]).toBeNull();
    const known = score.log_probabilities.slice(1) as number[];
    expect(known.every((value) => value <= 0)).toBe(true);
    expect(score.total).toBeCloseTo(
      known.reduce((a, b) => a + b, 0),
      8,
    );
    expect(score.perplexity).toBeCloseTo(Math.exp(-score.total / known.length), 8);
    const shorter = await model.score(text.slice(0, sentence.length));
    expect(score.log_probabilities.slice(0, shorter.tokens.length - 1)).toEqual(
      shorter.log_probabilities.slice(0, -1),
    );
  });

  test('scores an empty text and a single token', async () => {
    expect(await model.score('')).toEqual({ tokens: [], log_probabilities: [], total: 0, perplexity: null });
    expect(await model.score('t')).toMatchObject({ log_probabilities: [null], total: 0, perplexity: null });
  });

  test('ends at a stop string, which is not shown', async () => {
    const whole = textOf(await collect(model, { prompt: 'the', max_tokens: 60, temperature: 0 }));
    const stop = whole.slice(10, 13);
    const tokens = await collect(model, { prompt: 'the', max_tokens: 60, temperature: 0, stop: [stop] });
    expect(textOf(tokens)).toBe(whole.slice(0, whole.indexOf(stop)));
    expect(tokens.at(-1)!.finish_reason).toBe('stop');
  });

  test('stops when it is told to, between tokens and within a prompt', async () => {
    const abort = new AbortController();
    let count = 0;
    for await (const _ of model.generate({ prompt: 'a', max_tokens: 1000, signal: abort.signal }))
      if (++count === 5) abort.abort();
    expect(count).toBe(5);
    expect(await collect(model, { prompt: sentence.repeat(50), signal: abort.signal })).toEqual([]);
  });

  test('lets timers run while it reads a long prompt', async () => {
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    await collect(model, { prompt: sentence.repeat(400), max_tokens: 1 });
    clearInterval(timer);
    expect(turns).toBeGreaterThan(5);
  });
});
