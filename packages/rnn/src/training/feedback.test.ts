import { createReference, type TensorValues } from '@unfold/kernels';
import { describe, expect, test } from 'vitest';
import { finalOf, resumedRun } from '../../test-support/resumes.ts';
import {
  logsOf,
  metricsOf,
  type Recorded,
  record,
  sentence,
  tensorsOf,
  textFile,
  tinySpec,
} from '../../test-support/runs.ts';
import { LanguageModel } from '../language-model.ts';
import { Predictor } from '../predictor.ts';
import { exportWeights } from '../weights/export.ts';
import { readHeader, readTensor } from '../weights/safetensors.ts';

const json = (records: object[]): string => textFile(records.map((each) => JSON.stringify(each)).join('\n'));

/** Whether an odd number of ones was read: only who knows the answer before can tell. */
const parities = (records: number) =>
  Array.from({ length: records }, (_, k) => {
    const input = Array.from({ length: 3 + (k % 5) }, (__, t) => ((k * 2654435761) >>> (t + 3)) & 1);
    let odd = 0;
    return { input: input.map(String), output: input.map((bit) => ((odd ^= bit) ? 'odd' : 'even')) };
  });
/** The same, with nothing asked of the first steps. */
const delayed = parities(40).map(({ input, output }) => ({
  input,
  output: output.map((tag, t) => (t < 2 ? null : tag)),
}));
const sums = Array.from({ length: 40 }, (_, k) => {
  const input = Array.from({ length: 2 + (k % 4) }, (__, t) => [((k * 7 + t * 3) % 5) / 5, 1]);
  let sum = 0;
  return { input, output: input.map(([x]) => [(sum += x!)]) };
});

type Fields = Record<string, unknown>;

const modes: [string, Fields][] = [
  ['forced', {}],
  ['scheduled', { mode: 'scheduled', schedule: 'exponential', k: 0.7 }],
  ['fed its own outputs', { mode: 'never' }],
];
const networks: [string, Fields, object[]][] = [
  ['output', { cell: 'elman', recurrence: 'output', num_layers: 2, dropout: 0.2 }, delayed],
  ['both', { cell: 'gru', recurrence: 'both', embedding_size: 3, zoneout: 0.1 }, delayed],
  [
    'both, batch norm, learned states',
    { recurrence: 'both', norm: 'batch', initial_state: 'learned' },
    delayed,
  ],
  ['output, numbers', { cell: 'elman', recurrence: 'output' }, sums],
  ['both, numbers', { recurrence: 'both' }, sums],
];

describe.each(modes)('a labeling with feedback, %s', (_, teacher_forcing) => {
  test.each(networks)(
    'resumes with the same bits, and answers from its export: %s',
    async (__, model, records) => {
      const spec = tinySpec({
        task: 'sequence_labeling',
        model,
        training: { max_steps: 6, checkpoint_every: 2, teacher_forcing },
      });
      const whole = await resumedRun(spec, json(records));
      const { validation_loss, free_running_loss, free_running_gap } = metricsOf(whole).at(-1)!.values;
      expect(free_running_loss! - free_running_gap!).toBeCloseTo(validation_loss!, 5);
      const model_ = await Predictor.load(exportWeights(finalOf(whole)), createReference());
      const { input } = records[0] as { input: string[] };
      expect(Object.values(await model_.predict(input))[0]).toHaveLength(input.length);
      model_.close();
    },
  );
});

test('with a probability of one, scheduled sampling is teacher forcing, bit for bit', async () => {
  const data = json(delayed);
  const runs = [{}, { mode: 'scheduled', floor: 1 }, { mode: 'scheduled', c: 1 }].map((teacher_forcing) =>
    record({
      spec: tinySpec({
        task: 'sequence_labeling',
        model: { cell: 'elman', recurrence: 'both' },
        training: { max_steps: 4, teacher_forcing },
      }),
      data,
    }),
  );
  const [forced, certain, free] = await Promise.all(runs);
  expect(tensorsOf(finalOf(certain!))).toEqual(tensorsOf(finalOf(forced!)));
  expect(tensorsOf(finalOf(free!))).not.toEqual(tensorsOf(finalOf(forced!)));
});

describe('a task that needs the answer before', () => {
  const train = (model: Fields, teacher_forcing: Fields) =>
    record({
      spec: tinySpec({
        task: 'sequence_labeling',
        model: { hidden_size: 8, cell: 'elman', ...model },
        training: {
          epochs: 40,
          batch_size: 8,
          optimizer: { learning_rate: 0.03 },
          evaluate_every: 1000,
          teacher_forcing,
        },
      }),
      data: json(parities(80)),
    });

  test.each([
    ['forced', {}],
    ['scheduled', { mode: 'scheduled', c: 0.01, floor: 0.5 }],
  ])(
    'is learned by output recurrence alone, and answered in free running: %s',
    async (_, teacher_forcing) => {
      const run = await train({ recurrence: 'output' }, teacher_forcing);
      expect(metricsOf(run).at(-1)!.values).toMatchObject({
        validation_accuracy: 1,
        free_running_accuracy: 1,
      });
      const predictor = await Predictor.load(exportWeights(finalOf(run)), createReference());
      const bits = ['1', '0', '1', '1', '0', '1', '0', '0', '0', '1', '1', '0'];
      const tags = [
        'odd',
        'odd',
        'even',
        'odd',
        'odd',
        'even',
        'even',
        'even',
        'even',
        'odd',
        'even',
        'even',
      ];
      for (const beam_width of [1, 4])
        expect(await predictor.predict(bits, { beam_width })).toEqual({ tags });
      predictor.close();
    },
  );
});

/** The weights of an export as plain lists of rows. */
const weightsOf = (bytes: Uint8Array) => {
  const header = readHeader(bytes);
  return (name: string): number[][] => {
    const [rows, columns = 1] = header.tensors.get(name)!.shape;
    const values: TensorValues = readTensor(bytes, header, name, Float64Array);
    return Array.from({ length: rows! }, (_, r) =>
      Array.from(values.subarray(r * columns, (r + 1) * columns)),
    );
  };
};

describe('what a labeling answers', () => {
  const tags = ['x', 'y', 'z'];
  const records = Array.from({ length: 24 }, (_, k) => {
    const input = Array.from({ length: 4 }, (__, t) => `i${(k * 7 + t * 5 + ((k * t) % 3)) % 4}`);
    return { input, output: input.map((__, t) => tags[(k + t * t + (k % 5)) % 3]!) };
  });
  const spec = tinySpec({
    task: 'sequence_labeling',
    model: { cell: 'elman', recurrence: 'output', hidden_size: 5 },
    training: { epochs: 12, batch_size: 4, validation_fraction: 0, optimizer: { learning_rate: 0.05 } },
  });

  test('is what the formula says, the free-running loss is its mean, and a wide beam finds the likeliest of all', async () => {
    const data = json(records);
    const run = await record({ spec: { ...spec, validation_file: spec.file }, data, validation: data });
    const bytes = exportWeights(finalOf(run));
    const weights = weightsOf(bytes);
    const predictor = await Predictor.load(bytes, createReference());
    const [U, R, b, V, c] = [
      'rnn.weight_ih_l0',
      'feedback.weight_l0',
      'rnn.bias_ih_l0',
      'decoder.weight',
      'decoder.bias',
    ].map(weights) as [number[][], number[][], number[][], number[][], number[][]];
    expect([R.length, R[0]!.length]).toEqual([5, 3]);
    const inputs = ['<unk>', 'i0', 'i1', 'i2', 'i3'];
    /** log ŷ_t for an input and the answer before, −1: none. */
    const logProbabilities = (input: string, before: number): number[] => {
      const h = b.map(([bias], k) =>
        Math.tanh(bias! + U[k]![inputs.indexOf(input)]! + (before < 0 ? 0 : R[k]![before]!)),
      );
      const o = c.map(([bias], v) => h.reduce((sum, value, k) => sum + V[v]![k]! * value, bias!));
      const log = Math.log(o.reduce((sum, value) => sum + Math.exp(value), 0));
      return o.map((value) => value - log);
    };
    let loss = 0;
    let right = 0;
    for (const { input, output } of records) {
      const greedy: number[] = [];
      input.forEach((token, t) => {
        const row = logProbabilities(token, greedy.at(-1) ?? -1);
        loss -= row[tags.indexOf(output[t]!)]!;
        greedy.push(row.indexOf(Math.max(...row)));
        right += tags[greedy.at(-1)!] === output[t] ? 1 : 0;
      });
      expect(await predictor.predict(input, { beam_width: 1 })).toEqual({ tags: greedy.map((v) => tags[v]) });

      let paths = [{ path: [] as number[], sum: 0 }];
      for (const token of input)
        paths = paths.flatMap(({ path, sum }) =>
          logProbabilities(token, path.at(-1) ?? -1).map((value, v) => ({
            path: [...path, v],
            sum: sum + value,
          })),
        );
      const likeliest = paths.reduce((most, each) => (each.sum > most.sum ? each : most));
      expect(await predictor.predict(input, { beam_width: 27 })).toEqual({
        tags: likeliest.path.map((v) => tags[v]),
      });
    }
    const { free_running_loss, free_running_accuracy } = metricsOf(run).at(-1)!.values;
    expect(free_running_loss).toBeCloseTo(loss / 96, 5);
    expect(free_running_accuracy).toBeCloseTo(right / 96, 9);
    await expect(predictor.predict(['i0'], { beam_width: 0 })).rejects.toThrow('beam_width');
    predictor.close();
  });
});

const scheduled = { mode: 'scheduled', schedule: 'exponential', k: 0.7 };

const resumed = ({ training, ...rest }: Fields, data: string): Promise<Recorded> =>
  resumedRun(
    tinySpec({ ...rest, training: { max_steps: 6, checkpoint_every: 2, ...(training as object) } }),
    data,
  );

describe('a network that reads what it wrote', () => {
  test('is a bigram model with output recurrence, says so, and writes', async () => {
    const run = await resumed(
      { model: { cell: 'elman', recurrence: 'output', num_layers: 2 } },
      textFile(sentence.repeat(6)),
    );
    expect(logsOf(run).some((message) => message.includes('bigram'))).toBe(true);
    const model = await LanguageModel.load(exportWeights(finalOf(run)), createReference());
    // Each token depends on the one before it alone.
    const [long, short] = await Promise.all([model.score('the quick'), model.score('ck')]);
    expect(long.log_probabilities.at(-1)).toBeCloseTo(short.log_probabilities.at(-1)!, 6);
    let text = '';
    for await (const token of model.generate({ prompt: 'the', max_tokens: 5, seed: 1 })) text += token.text;
    expect(text.length).toBeGreaterThan(3);
    model.close();
  });

  test.each([
    ['an endless text', {}, () => textFile(sentence.repeat(6))],
    [
      'lines that count down',
      { text: { sequences: 'lines' }, model: { length: 'countdown', max_length: 9 } },
      () => textFile('ab\nabb\nbab\na\nbb\nabba\nba\nab\n'),
    ],
  ])('reads samples of its own in scheduled sampling: %s', async (_, fields, data) => {
    const training = { teacher_forcing: scheduled };
    const run = await resumed({ ...fields, training }, data());
    const forced = await resumed(fields, data());
    expect(tensorsOf(finalOf(run))).not.toEqual(tensorsOf(finalOf(forced)));
  });
});

describe('a text that reads what it answered, without an embedding', () => {
  const training = {
    teacher_forcing: { mode: 'never' },
    evaluate_every: 2,
    diagnostics_every: 2,
    sample_every: 3,
    bptt: { window: 3 },
  };
  const fields = { model: { cell: 'lstm', num_layers: 2 }, training };

  test('resumes with the same bits, and its export scores as any other model does', async () => {
    const run = await resumed(fields, textFile(sentence.repeat(6)));
    expect(Number.isFinite(metricsOf(run).at(-1)!.values.free_running_loss)).toBe(true);
    const bytes = exportWeights(finalOf(run));
    const forced = await resumed({ model: fields.model }, textFile(sentence.repeat(6)));
    const shapesOf = (weights: Uint8Array) =>
      [...readHeader(weights).tensors].map(([name, { shape }]) => [name, shape]);
    expect(shapesOf(bytes)).toEqual(shapesOf(exportWeights(finalOf(forced))));
    expect(tensorsOf(bytes)).not.toEqual(tensorsOf(exportWeights(finalOf(forced))));
    const model = await LanguageModel.load(bytes, createReference());
    expect((await model.score('the quick')).log_probabilities.slice(1).every(Number.isFinite)).toBe(true);
    model.close();
  });

  test('starts from a model that was forced, a new symbol beside, and leaves frozen layers alone', async () => {
    const base = finalOf(await resumed({ model: fields.model }, textFile(sentence.repeat(6))));
    const run = await record({
      spec: {
        ...tinySpec({ ...fields, training: { ...training, max_steps: 2 } }),
        start_from: { model: 'base', freeze: ['layers.1'], reset: [] },
      },
      data: textFile(`${sentence}!`.repeat(6)),
      start: base,
    });
    const [before, after] = [base, finalOf(run)].map((bytes) => tensorsOf(exportWeights(bytes)));
    expect(after!['rnn.weight_hh_l1']).toEqual(before!['rnn.weight_hh_l1']);
    expect(after!['rnn.weight_hh_l0']).not.toEqual(before!['rnn.weight_hh_l0']);
  });
});

describe('a forecast with feedback', () => {
  const series = Array.from({ length: 200 }, (_, t) => [Math.sin(t / 3), Math.cos(t / 5)]);
  const csv = () => textFile(series.map((row) => row.join(',')).join('\n'), 'series.csv');
  const records = () =>
    json(Array.from({ length: 12 }, (_, k) => ({ values: series.slice(k, k + 12 + (k % 4)) })));

  test.each([
    ['output, a series', { cell: 'elman', recurrence: 'output' }, {}, csv],
    ['both, a series', { cell: 'lstm', recurrence: 'both' }, {}, csv],
    ['both, records', { cell: 'gru', recurrence: 'both' }, {}, records],
    ['output, by a coin', { cell: 'elman', recurrence: 'output' }, { teacher_forcing: scheduled }, csv],
    [
      'both, records, by a coin',
      { cell: 'elman', recurrence: 'both' },
      { teacher_forcing: scheduled },
      records,
    ],
    ['hidden, by a coin', { cell: 'gru' }, { teacher_forcing: scheduled }, csv],
    ['hidden, records, never', { cell: 'lstm' }, { teacher_forcing: { mode: 'never' } }, records],
    [
      'output, windows of their own, never',
      { cell: 'elman', recurrence: 'output' },
      { teacher_forcing: { mode: 'never' }, bptt: { stateful: false } },
      csv,
    ],
    [
      'both, never, gradients cut',
      { cell: 'gru', recurrence: 'both' },
      { teacher_forcing: { mode: 'never' }, bptt: { window: 2 } },
      csv,
    ],
  ])('resumes with the same bits, and goes on in closed loop: %s', async (_, model, training, data) => {
    const run = await resumed({ task: 'forecasting', model, training }, data());
    const predictor = await Predictor.load(exportWeights(finalOf(run)), createReference());
    const { values } = (await predictor.predict(series.slice(0, 20), { steps: 3 })) as { values: number[][] };
    expect(values).toHaveLength(3);
    expect(values.flat().every(Number.isFinite)).toBe(true);
    predictor.close();
  });
});
