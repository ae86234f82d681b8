import { setImmediate as turn } from 'node:timers/promises';
import { type Backend, createReference } from '@unfold/kernels';
import { describe, expect, test } from 'vitest';
import { engines } from '../../test-support/completions.ts';
import { checkpointsOf, record, textFile, tinySpec } from '../../test-support/runs.ts';
import { LanguageModel } from '../language-model.ts';
import { exportWeights } from '../weights/export.ts';

const longest = 4;
/** `?` is what the vocabulary has no symbol for. */
const alphabet = ['a', 'b', '?'];

const textsOf = (length: number): string[] =>
  length === 0 ? [''] : textsOf(length - 1).flatMap((text) => alphabet.map((letter) => text + letter));

/** Barely trained: every text is about as likely as any other, so that nothing that is left out stays unseen. */
const tiny = async (model: object): Promise<LanguageModel> => {
  const spec = tinySpec({ text: { sequences: 'lines' }, model: { hidden_size: 3, ...model } });
  const run = await record({ spec, data: textFile('ab\nba\nb\n'.repeat(4)) });
  return LanguageModel.load(
    exportWeights(checkpointsOf(run).at(-1)!.data),
    createReference({ precision: 'float64' }),
  );
};

const sum = (values: readonly (number | null)[]): number =>
  values.reduce<number>((total, value) => total + value!, 0);

const countdown = { length: 'countdown', max_length: longest };

describe('the probabilities of all texts', () => {
  test.each(['eos', 'bernoulli'])('add up to one with those that are longer: %s', async (length) => {
    const model = await tiny({ length });
    let total = 0;
    for (let tokens = 0; tokens < longest; tokens++)
      for (const text of textsOf(tokens)) total += Math.exp((await model.score(text)).total);
    for (const text of textsOf(longest))
      total += Math.exp(sum((await model.score(text)).log_probabilities.slice(0, longest)));
    expect(total).toBeCloseTo(1, 6);
    model.close();
  });

  test('add up to one where the length is drawn once', async () => {
    const model = await tiny({ ...countdown, renew: false });
    let total = 0;
    for (let tokens = 1; tokens <= longest; tokens++)
      for (const text of textsOf(tokens)) total += Math.exp((await model.score(text)).total);
    expect(total).toBeCloseTo(1, 6);
    model.close();
  });

  test('leave to draws that do not come true what a length that is drawn anew takes from them', async () => {
    const model = await tiny(countdown);
    let total = 0;
    for (let tokens = 1; tokens <= longest; tokens++)
      for (const text of textsOf(tokens)) total += Math.exp((await model.score(text)).total);
    expect(total).toBeGreaterThan(0.01);
    expect(total).toBeLessThan(1);
    model.close();
  });
});

test.each([
  [{ length: 'eos' }, longest],
  [{ length: 'bernoulli' }, longest],
  [{ ...countdown, renew: false }, longest],
  // Of longer texts the draws need not have come true.
  [countdown, 1],
])('a text has the probability with which it was written: %j, up to %i tokens', async (options, most) => {
  const model = await tiny(options);
  let compared = 0;
  for (let seed = 0; seed < 40; seed++) {
    let text = '';
    let tokens = 0;
    let logProbability = 0;
    let reason: string | undefined;
    for await (const token of model.generate({ seed, max_tokens: 8 })) {
      text += token.text;
      tokens++;
      logProbability += token.log_probability;
      reason = token.finish_reason;
    }
    if (reason !== 'stop' || tokens > most) continue;
    expect((await model.score(text)).total).toBeCloseTo(logProbability, 6);
    compared++;
  }
  expect(compared).toBeGreaterThan(3);
  model.close();
});

test.each<[string, Parameters<typeof tinySpec>[0]]>([
  ['endless texts', { text: {}, model: { cell: 'lstm', num_layers: 2, embedding_size: 4 } }],
  ['an end symbol', { text: { sequences: 'lines' }, model: { cell: 'gru', norm: 'batch' } }],
  ['a coin', { text: { sequences: 'lines' }, model: { cell: 'gru', length: 'bernoulli' } }],
  [
    'a countdown',
    { text: { sequences: 'lines' }, model: { cell: 'lstm', length: 'countdown', max_length: 300 } },
  ],
  [
    'a countdown drawn once',
    { text: { sequences: 'lines' }, model: { length: 'countdown', max_length: 300, renew: false } },
  ],
])('many texts have the scores that each has alone: %s', async (_, fields) => {
  const run = await record({ spec: tinySpec(fields), data: textFile('ab\nba\nb\nabab\n'.repeat(9)) });
  const weights = exportWeights(checkpointsOf(run).at(-1)!.data);
  for (const [, createBackend] of engines) {
    const model = await LanguageModel.load(weights, createBackend());
    const texts = Array.from({ length: 40 }, (_, k) => 'abba'.repeat(1 + ((7 * k) % 70)).slice(k % 4));
    const alone = [];
    for (const text of texts) alone.push(await model.score(text));
    expect(await model.scoreAll(texts)).toEqual(alone);
    // Calls that join one another in the middle, streams beside them.
    const written = model.generate({ prompt: 'ab', max_tokens: 30, seed: 1 });
    const calls = Array.from({ length: 8 }, async (_, c) => {
      for (let wait = 0; wait < 3 * c; wait++) await turn();
      return model.scoreAll(texts.slice(5 * c, 5 * c + 5));
    });
    const until = Promise.all(calls);
    for await (const _token of written);
    expect((await until).flat()).toEqual(alone);
    await model.close();
  }
});

test('a score that nobody waits for is given up between two chunks', async () => {
  const model = await tiny({ length: 'eos' });
  const abort = new AbortController();
  setImmediate(() => setImmediate(() => abort.abort()));
  const [given] = await model.scoreAll(['ab'.repeat(50_000)], undefined, abort.signal);
  expect(given!.tokens).toHaveLength(100_001);
  expect(given!.log_probabilities.length).toBeLessThan(50_000);
  await model.close();
});

test('a short text does not wait for the long ones of another call, nor is it hurt by what goes wrong there', async () => {
  const model = await tiny({ length: 'eos' });
  const order: string[] = [];
  const long = model.scoreAll(Array(20).fill('ab'.repeat(400))).then(() => order.push('long'));
  await turn();
  await model.score('ab').then(() => order.push('short'));
  await long;
  expect(order).toEqual(['short', 'long']);
  await model.close();
  const counting = await tiny(countdown);
  const calls = [counting.score('ab'), counting.scoreAll(['ab', 'ab'.repeat(longest)]), counting.score('b')];
  const [first, refused, last] = await Promise.allSettled(calls);
  expect([first!.status, refused!.status, last!.status]).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  const late = counting.score('abab');
  const closed = expect(late).rejects.toThrow('closed');
  await counting.close();
  await closed;
});

test('rows that a call leaves behind when it is cancelled are not read any further', async () => {
  const reference = createReference();
  let reads = 0;
  const backend: Backend = {
    ...reference,
    recurrentForward(call) {
      reads++;
      reference.recurrentForward(call);
    },
  };
  const run = await record({ spec: tinySpec({}), data: textFile('ab\nba\nb\n'.repeat(9)) });
  const model = await LanguageModel.load(exportWeights(checkpointsOf(run).at(-1)!.data), backend);
  const abort = new AbortController();
  const given = model.scoreAll(Array(64).fill('ab'.repeat(400)), undefined, abort.signal);
  while (reads < 3) await turn();
  abort.abort();
  await given;
  const before = reads;
  for (let wait = 0; wait < 20; wait++) await turn();
  expect(reads).toBeLessThanOrEqual(before + 1);
  await model.close();
});
