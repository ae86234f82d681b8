import { describe, expect, test } from 'vitest';
import {
  checkpointsOf,
  record,
  scratchFolder,
  sentence,
  tensorsOf,
  textFile,
  tinySpec,
} from '../../test-support/runs.ts';
import { textPlaces } from '../data/records/places.ts';
import { exportWeights } from '../weights/export.ts';
import { inspectWeights } from '../weights/inspect.ts';
import { readHeader, readTensor, writeSafetensorsSync } from '../weights/safetensors.ts';
import type { ControlAnswer, TrainingEvent } from './events.ts';
import { expectTransferable } from './transfer-check.ts';

const shape = { cell: 'lstm', hidden_size: 5, num_layers: 2 };
const short = { epochs: 1, max_steps: 4, checkpoint_every: 1, optimizer: { weight_decay: 0.1 } };

const from = (fields: Parameters<typeof tinySpec>[0], start: object) =>
  ({ ...tinySpec(fields), start_from: { model: 'base', freeze: [], reset: [], ...start } }) as ReturnType<
    typeof tinySpec
  >;

const finalOf = async (options: Parameters<typeof record>[0]): Promise<Uint8Array> =>
  checkpointsOf(await record(options)).at(-1)!.data;

const trainBase = (model: object = shape) =>
  finalOf({ spec: tinySpec({ model: { ...model }, training: short }), data: textFile(sentence.repeat(2)) });

const valuesOf = (bytes: Uint8Array, name: string): number[] => [
  ...readTensor(bytes, readHeader(bytes), name, Float64Array),
];

describe('a run that starts from a model', () => {
  test.each([
    ['layers.0', /_l0$/],
    ['layers.1', /_l1$/],
    ['head', /^decoder\./],
    ['embedding', /^encoder\./],
    ['rnn.weight_hh_l1', /^rnn\.weight_hh_l1$/],
  ])('leaves the bytes of frozen %s alone, and has no moments of them', async (group, names) => {
    const model = { ...shape, embedding_size: 4 };
    const data = textFile(sentence.repeat(2));
    const base = await trainBase(model);
    const end = await finalOf({
      spec: from({ model, training: short }, { freeze: [group] }),
      data,
      start: base,
    });
    const before = tensorsOf(exportWeights(base));
    const after = tensorsOf(exportWeights(end));
    for (const name of Object.keys(before)) {
      if (names.test(name)) expect(after[name], name).toEqual(before[name]);
      else expect(after[name], name).not.toEqual(before[name]);
      expect(readHeader(end).tensors.has(`optimizer.first.${name}`), name).toBe(!names.test(name));
    }
  });

  test('trains what is not frozen as if nothing were', async () => {
    // With plain SGD and no clipping the head's first step hangs on nothing but the head's own gradient.
    const training = { max_steps: 1, clip: null, optimizer: { type: 'sgd', learning_rate: 0.1 } };
    const data = textFile(sentence.repeat(2));
    const start = await trainBase();
    const all = await finalOf({ spec: from({ model: shape, training }, {}), data, start });
    const freeze = ['layers.0', 'layers.1'];
    const head = await finalOf({ spec: from({ model: shape, training }, { freeze }), data, start });
    expect(valuesOf(head, 'decoder.weight')).toEqual(valuesOf(all, 'decoder.weight'));
    const top = await finalOf({
      spec: from({ model: shape, training }, { freeze: ['layers.0', 'head'] }),
      data,
      start,
    });
    expect(valuesOf(top, 'rnn.weight_ih_l1')).toEqual(valuesOf(all, 'rnn.weight_ih_l1'));
  });

  test('keeps the rows of tokens that both vocabularies have', async () => {
    const base = await trainBase();
    const data = textFile('fox and ox: 0123 foxes box six oxen. '.repeat(8));
    const spec = from({ model: shape, seed: 9, training: { max_steps: 1 } }, {});
    // A rate of nothing: what the file holds is what it started with.
    spec.training.optimizer.learning_rate = Number.MIN_VALUE;
    const end = await finalOf({ spec, data, start: base });
    const fresh = tinySpec({ model: shape, seed: 9, training: { max_steps: 1 } });
    fresh.training.optimizer.learning_rate = Number.MIN_VALUE;
    const random = await finalOf({ spec: fresh, data });
    const [old, now] = [inspectWeights(base).tokenizer!.tokens, inspectWeights(end).tokenizer!.tokens];
    expect(now).toContain('0');
    expect(now.some((token, k) => token !== old[k] && old.includes(token))).toBe(true);
    const column = (bytes: Uint8Array, tokens: readonly string[], k: number) =>
      valuesOf(bytes, 'rnn.weight_ih_l0').filter((_, place) => place % tokens.length === k);
    const row = (bytes: Uint8Array, k: number) => valuesOf(bytes, 'decoder.weight').slice(5 * k, 5 * k + 5);
    now.forEach((token, k) => {
      const place = old.indexOf(token);
      expect(column(end, now, k), token).toEqual(
        place < 0 ? column(random, now, k) : column(base, old, place),
      );
      expect(row(end, k), token).toEqual(place < 0 ? row(random, k) : row(base, place));
      expect(valuesOf(end, 'decoder.bias')[k]).toBe(place < 0 ? 0 : valuesOf(base, 'decoder.bias')[place]);
    });
    expect(valuesOf(end, 'rnn.weight_hh_l0')).toEqual(valuesOf(base, 'rnn.weight_hh_l0'));
  });

  test('keeps the columns of contexts that both have', async () => {
    const model = { cell: 'lstm', hidden_size: 4, num_layers: 1, context: { inject: 'both' } };
    const fields = { task: 'conditional_generation', model, training: short };
    const data = (...labels: string[]): string =>
      textFile(
        labels.flatMap((context) => [1, 2, 3].map(() => JSON.stringify({ context, text: 'ab' }))).join('\n'),
      );
    const base = await finalOf({ spec: tinySpec(fields), data: data('en', 'fr') });
    const start = { freeze: ['context'] };
    const end = await finalOf({ spec: from(fields, start), data: data('de', 'fr', 'it'), start: base });
    for (const name of ['context.weight', 'context.h_weight_l0', 'context.c_weight_l0']) {
      const [before, after] = [valuesOf(base, name), valuesOf(end, name)];
      const column = (values: number[], labels: number, k: number) =>
        values.filter((_, place) => place % labels === k);
      expect(column(after, 3, 1), name).toEqual(column(before, 2, 1));
      expect(column(after, 3, 0), name).not.toEqual(column(before, 2, 0));
    }
  });

  test('starts what is reset afresh, whatever its shape was', async () => {
    const base = await trainBase({ ...shape, num_layers: 1 });
    const data = textFile(sentence.repeat(2));
    const spec = from({ model: shape, training: { max_steps: 1 } }, { reset: ['layers.1', 'head'] });
    spec.training.optimizer.learning_rate = Number.MIN_VALUE;
    const end = await finalOf({ spec, data, start: base });
    expect(valuesOf(end, 'rnn.weight_hh_l0')).toEqual(valuesOf(base, 'rnn.weight_hh_l0'));
    expect(valuesOf(end, 'decoder.weight')).not.toEqual(valuesOf(base, 'decoder.weight'));
  });

  test('ends with the same bits when it is stopped after every step, without its model', async () => {
    const spec = from({ model: shape, training: short }, { freeze: ['layers.0'] });
    const data = textFile(sentence.repeat(2));
    const start = exportWeights(await trainBase());
    const whole = await finalOf({ spec, data, start });
    const stop = (events: TrainingEvent[]): ControlAnswer =>
      events.some(({ type }) => type === 'metric') ? 'stop' : 'continue';
    const scratch = scratchFolder();
    let part = await record({ spec, data, start, scratch, control: stop });
    while (part.outcome.type === 'stopped')
      part = await record({ spec, data, scratch, resume: checkpointsOf(part).at(-1)!.data, control: stop });
    expect(tensorsOf(checkpointsOf(part).at(-1)!.data)).toEqual(tensorsOf(whole));
  });

  test('takes weights of any float type, as PyTorch saves them', async () => {
    const base = await trainBase();
    const header = readHeader(base);
    const { spec: baseSpec, tokenizer } = inspectWeights(base);
    const names = Object.keys(tensorsOf(exportWeights(base)));
    const made = writeSafetensorsSync(
      names.map((name) => ({
        name,
        dtype: 'F64',
        shape: header.tensors.get(name)!.shape,
        values: () => readTensor(base, header, name, Float64Array),
      })),
      { spec: JSON.stringify({ model: baseSpec.model }), tokenizer: JSON.stringify(tokenizer) },
    );
    const spec = from({ model: shape, training: short }, {});
    const data = textFile(sentence.repeat(2));
    expect(tensorsOf(await finalOf({ spec, data, start: made }))).toEqual(
      tensorsOf(await finalOf({ spec, data, start: base })),
    );
  });
});

describe('what does not fit', () => {
  const of = (spec: ReturnType<typeof tinySpec>) => ({ spec, places: textPlaces });
  const base = of(tinySpec({ model: shape }));
  test.each([
    ['another size', { hidden_size: 6 }, {}, {}, 'model.hidden_size'],
    ['another cell', { cell: 'gru' }, {}, {}, 'model.cell'],
    ['more layers', { num_layers: 3 }, {}, {}, 'model.num_layers'],
    ['an embedding where there was none', { embedding_size: 3 }, {}, {}, 'model.embedding_size'],
    ['words for characters', {}, {}, { level: 'word' }, 'text.level'],
    ['an unknown parameter', {}, { freeze: ['rnn.weight_hh_l7'] }, {}, 'start_from.freeze'],
    ['nothing left to train', {}, { freeze: ['layers.0', 'layers.1', 'head'] }, {}, 'start_from.freeze'],
  ])('is refused, naming the field: %s', (_, model, start, text, param) => {
    const spec = from({ model: { ...shape, ...model }, text }, start);
    expect(() => expectTransferable(of(spec), base)).toThrow(
      expect.objectContaining({
        code: 'impossible_with_data',
        param,
        message: expect.stringContaining(param),
      }),
    );
  });

  test.each([
    ['a new layer', { num_layers: 3 }, { reset: ['layers.2'] }, {}],
    ['fewer layers', { num_layers: 1 }, {}, {}],
    ['an embedding', { embedding_size: 3 }, { reset: ['embedding', 'layers.0'] }, {}],
    ['another activation', { dropout: 0.2, init: 'pytorch' }, {}, {}],
    ['other tokens', {}, { reset: ['layers.0', 'head'] }, { level: 'word' }],
  ])('fits once it is reset or does not matter: %s', (_, model, start, text) => {
    expect(() =>
      expectTransferable(of(from({ model: { ...shape, ...model }, text }, start)), base),
    ).not.toThrow();
  });

  const labelling = { task: 'sequence_labeling', model: { ...shape, recurrence: 'both' } };
  const numbers = (width: number) => ({ kind: 'vectors', width }) as const;
  const tokens = { kind: 'tokens' } as const;
  const conditional = { task: 'conditional_generation', model: shape };
  const labels = { input: tokens, output: tokens, context: null };
  test.each([
    ['numbers for tokens', labelling, labels, { ...labels, input: numbers(3) }, 'layers.0'],
    [
      'vectors of another width',
      labelling,
      { ...labels, input: numbers(2) },
      { ...labels, input: numbers(3) },
      'layers.0',
    ],
    ['tags for numbers', labelling, { ...labels, output: numbers(5) }, labels, 'head', 'feedback'],
    [
      'another context',
      conditional,
      { ...textPlaces, context: tokens },
      { ...textPlaces, context: numbers(2) },
      'context',
    ],
  ] as const)(
    'is refused by what the data is, and fits once it is reset: %s',
    (_, fields, own, theirs, ...reset) => {
      const base = { spec: tinySpec(fields), places: theirs };
      expect(() => expectTransferable({ spec: from(fields, {}), places: own }, base)).toThrow(
        expect.objectContaining({ code: 'impossible_with_data', param: 'start_from.model' }),
      );
      expect(() => expectTransferable({ spec: from(fields, { reset }), places: own }, base)).not.toThrow();
      expect(() => expectTransferable({ spec: from(fields, {}), places: theirs }, base)).not.toThrow();
    },
  );

  test('is refused where it trains, before a number is copied', async () => {
    const fields = { task: 'classification', model: shape, training: short };
    const data = (input: unknown): string =>
      textFile(['a', 'b'].flatMap((label) => [1, 2].map(() => JSON.stringify({ input, label }))).join('\n'));
    const start = await finalOf({ spec: tinySpec(fields), data: data([[1], [2]]) });
    // As many tokens as there were numbers: no shape would tell them apart.
    await expect(record({ spec: from(fields, {}), data: data(['x']), start })).rejects.toMatchObject({
      code: 'impossible_with_data',
      param: 'start_from.model',
    });
  });

  test('keeps what is read from the end of a sequence, whatever other tokens there are', async () => {
    const fields = { task: 'classification', model: { ...shape, bidirectional: true }, training: short };
    const data = (...words: string[]): string =>
      textFile(
        words.flatMap((input) => ['a', 'b'].map((label) => JSON.stringify({ input, label }))).join('\n'),
      );
    const start = await finalOf({ spec: tinySpec(fields), data: data('ab', 'ba') });
    const run = await record({ spec: from(fields, {}), data: data('abc', 'cab'), start });
    expect(run.outcome.type).toBe('completed');
  });

  test('weights without start_from, and start_from without weights', async () => {
    const data = textFile(sentence);
    const start = await trainBase();
    await expect(record({ spec: tinySpec(), data, start })).rejects.toMatchObject({
      param: 'start_from.model',
    });
    await expect(record({ spec: from({}, {}), data })).rejects.toMatchObject({ param: 'start_from.model' });
  });
});
