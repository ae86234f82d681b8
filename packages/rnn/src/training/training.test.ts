import { type ScheduleOptions, UnfoldError } from '@unfold/contracts';
import { createRandomStream, createReference } from '@unfold/kernels';
import { describe, expect, test } from 'vitest';
import { hopeless } from '../../test-support/diverging.ts';
import {
  checkpointsOf,
  logsOf,
  metricsOf,
  record,
  scratchFolder,
  sentence,
  textFile,
  tinySpec,
} from '../../test-support/runs.ts';
import { initialValues, orthogonalMatrix } from '../model/initialize.ts';
import { textShape } from '../model/network-shape.ts';
import { parameterTable } from '../model/parameter-table.ts';
import { exportWeights } from '../weights/export.ts';
import { inspectWeights } from '../weights/inspect.ts';
import { readHeader } from '../weights/safetensors.ts';
import { observeEvaluation } from './early-stopping.ts';
import { afterEvaluation, learningRateAt, type PlateauState } from './schedule.ts';

const plateau = (rate: number): PlateauState => ({ best: null, bad: 0, rate });
const rates = (schedule: ScheduleOptions, total: number): number[] =>
  Array.from({ length: total }, (_, k) => learningRateAt(schedule, 1, k + 1, total, plateau(1)));

describe('the learning rate', () => {
  test.each<[string, ScheduleOptions, number[]]>([
    ['constant', { type: 'constant', warmup_steps: 0 }, [1, 1, 1, 1]],
    ['constant after warm-up', { type: 'constant', warmup_steps: 2 }, [0.5, 1, 1, 1]],
    ['step', { type: 'step', every: 2, factor: 0.5, warmup_steps: 0 }, [1, 1, 0.5, 0.5, 0.25]],
    ['step after warm-up', { type: 'step', every: 1, factor: 0.1, warmup_steps: 1 }, [1, 1, 0.1]],
    ['exponential', { type: 'exponential', factor: 0.5, warmup_steps: 0 }, [1, 0.5, 0.25]],
    [
      'cosine',
      { type: 'cosine', minimum: 0.2, warmup_steps: 0 },
      [1, 0.2 + 0.4 * (1 + Math.SQRT1_2), 0.6, 0.2 + 0.4 * (1 - Math.SQRT1_2)],
    ],
    ['cosine after warm-up', { type: 'cosine', minimum: 0, warmup_steps: 2 }, [0.5, 1, 1, 0.5]],
    ['warm-up longer than the run', { type: 'constant', warmup_steps: 10 }, [0.1, 0.2, 0.3]],
  ])('follows %s', (_, schedule, expected) => {
    rates(schedule, expected.length).forEach((rate, k) => {
      expect(rate).toBeCloseTo(expected[k]!, 12);
    });
  });

  test('falls on a plateau after more than `patience` evaluations without a better loss, never below the minimum', () => {
    const schedule: ScheduleOptions = {
      type: 'plateau',
      factor: 0.1,
      patience: 1,
      minimum: 0.05,
      warmup_steps: 0,
    };
    let state = plateau(1);
    const seen = [3, 2, 2, 2, 1, 1, 1, 1].map(
      (loss) => (state = afterEvaluation(schedule, state, loss)).rate,
    );
    expect(seen).toEqual([1, 1, 1, 0.1, 0.1, 0.1, 0.05, 0.05]);
  });

  test('is what the optimizer used, as the metrics tell it', async () => {
    const spec = tinySpec({
      training: { max_steps: 4, schedule: { type: 'exponential', factor: 0.5, warmup_steps: 1 } },
    });
    const used = metricsOf(await record({ spec })).map(({ values }) => values.learning_rate);
    expect(used).toEqual([0.002, 0.002, 0.001, 0.0005]);
  });
});

describe('early stopping', () => {
  test('counts evaluations that are not better by min_delta', () => {
    let state = { best: null as number | null, bad: 0 };
    const stops = [5, 4.95, 4, 4, 3.95].map((loss) => {
      const observed = observeEvaluation({ patience: 2, min_delta: 0.1 }, state, loss);
      state = observed.state;
      return observed.stop;
    });
    expect(stops).toEqual([false, false, false, false, true]);
  });

  test('ends the run; the best checkpoint was written and says so', async () => {
    // The tail is nothing like the training part, so that fitting the one unfits the other.
    const data = textFile(`${'ab'.repeat(300)}${'bbaa'.repeat(20)}`);
    const spec = tinySpec({
      training: {
        epochs: 200,
        evaluate_every: 5,
        checkpoint_every: 1_000_000,
        early_stopping: { patience: 2 },
        optimizer: { learning_rate: 0.02 },
      },
    });
    const run = await record({ spec, data });
    expect(run.outcome).toMatchObject({ type: 'completed' });
    expect(run.outcome.step).toBeLessThan(200 * 30);
    const losses = metricsOf(run).flatMap(({ step, values }) =>
      values.validation_loss === undefined ? [] : [{ step, loss: values.validation_loss }],
    );
    const best = losses.reduce((a, b) => (b.loss < a.loss ? b : a));
    const marked = checkpointsOf(run).filter((checkpoint) => checkpoint.best);
    expect(marked.at(-1)).toMatchObject({ step: best.step, validation_loss: best.loss });
    expect(losses.at(-1)!.step - best.step).toBe(10);
    expect(checkpointsOf(run).at(-1)).toMatchObject({ reason: 'final', best: false });
  });

  test('goes on when a run that it ended is given more epochs', async () => {
    const data = textFile(`${'ab'.repeat(300)}${'bbaa'.repeat(20)}`);
    const fields = { evaluate_every: 5, early_stopping: { patience: 1 }, optimizer: { learning_rate: 0.05 } };
    const run = await record({ spec: tinySpec({ training: { epochs: 100, ...fields } }), data });
    const resume = checkpointsOf(run).at(-1)!.data;
    const again = await record({ spec: tinySpec({ training: { epochs: 100, ...fields } }), data, resume });
    expect(again.outcome.step).toBe(run.outcome.step);
    const more = await record({ spec: tinySpec({ training: { epochs: 101, ...fields } }), data, resume });
    expect(more.outcome.step).toBeGreaterThan(run.outcome.step);
  });
});

describe('a run', () => {
  test.each([
    ['elman', { activation: 'relu' }],
    ['elman', { init: 'pytorch' }],
    ['lstm', { tie_weights: true, num_layers: 2, dropout: 0.1 }],
    ['gru', { embedding_size: 3 }],
  ])('learns a text by heart: %s %j', async (cell, model) => {
    const spec = tinySpec({
      model: { cell, hidden_size: 24, ...model, ...('tie_weights' in model ? { embedding_size: 24 } : {}) },
      training: {
        epochs: 30,
        batch_size: 2,
        sequence_length: 8,
        evaluate_every: 10_000,
        optimizer: { learning_rate: 0.01 },
      },
    });
    const run = await record({ spec, data: textFile(sentence.repeat(8)) });
    const metrics = metricsOf(run);
    expect(metrics[0]!.values.loss).toBeGreaterThan(3);
    expect(metrics.at(-1)!.values.validation_loss).toBeLessThan(0.9);
    expect(metrics.at(-1)!.values.accuracy).toBeGreaterThan(0.7);
  });

  test('ends at max_steps within an epoch, evaluated', async () => {
    const run = await record({ spec: tinySpec({ training: { max_steps: 7, log_every: 5 } }) });
    expect(run.outcome).toEqual({ type: 'completed', step: 7 });
    expect(metricsOf(run).map(({ step }) => step)).toEqual([5, 7]);
    expect(metricsOf(run).at(-1)!.values.validation_loss).toBeDefined();
  });

  test('tells how much of it is done, of its steps or of its seconds, and its number of steps before the first', async () => {
    const told = async (training: Record<string, unknown>) => {
      const run = await record({ spec: tinySpec({ training }), data: textFile(sentence.repeat(2)) });
      return run.events.filter((event) => event.type === 'progress');
    };
    const bySteps = await told({ max_steps: 4, epochs: 100, log_every: 1 });
    expect(bySteps.map(({ step, total_steps, share }) => [step, total_steps, share])).toEqual(
      [0, 1, 2, 3, 4].map((step) => [step, 4, step / 4]),
    );
    const byTime = await told({ epochs: 100_000, max_seconds: 0.3, log_every: 1, evaluate_every: 1_000_000 });
    const { step, total_steps, share, seconds } = byTime.at(-1)!;
    expect(step).toBeLessThan(total_steps);
    expect(share).toBe(1);
    expect(seconds).toBeGreaterThanOrEqual(0.3);
    const shares = byTime.map((each) => each.share);
    expect(shares).toEqual(shares.toSorted((a, b) => a - b));
    expect(shares[0]).toBeLessThan(0.5);
  });

  test('ends when its seconds are used up, those of earlier attempts counted', async () => {
    const spec = tinySpec({ training: { epochs: 100_000, max_seconds: 0.3, evaluate_every: 1_000_000 } });
    const data = textFile(sentence.repeat(2));
    const run = await record({ spec, data });
    expect(run.outcome.type).toBe('completed');
    const again = await record({ spec, data, resume: checkpointsOf(run).at(-1)!.data });
    expect(again.outcome).toEqual(run.outcome);
  });

  test('evaluates, samples and saves when it is told to, in this order', async () => {
    const spec = tinySpec({
      training: { max_steps: 6, log_every: 3, evaluate_every: 2, sample_every: 4, checkpoint_every: 5 },
    });
    const run = await record({ spec });
    const seen = run.events.flatMap((event) =>
      event.type === 'log' || event.type === 'progress' || event.type === 'restart'
        ? []
        : [`${event.step} ${event.type === 'checkpoint' ? event.reason : event.type}`],
    );
    expect(seen).toEqual([
      '2 metric',
      '3 metric',
      '4 metric',
      '4 sample',
      '5 scheduled',
      '6 metric',
      '6 final',
    ]);
    expect(Object.keys(metricsOf(run)[0]!.values)).toEqual([
      'validation_loss',
      'free_running_loss',
      'free_running_gap',
    ]);
  });

  test('needs no validation data', async () => {
    const run = await record({ spec: tinySpec({ training: { validation_fraction: 0, epochs: 1 } }) });
    expect(metricsOf(run).every(({ values }) => values.validation_loss === undefined)).toBe(true);
    expect(run.events.some(({ type }) => type === 'sample')).toBe(true);
    expect(checkpointsOf(run).at(-1)).toMatchObject({ validation_loss: null, best: false });
  });

  test('is not disturbed by sampling and evaluating', async () => {
    const data = textFile(sentence.repeat(3));
    const weights = async (training: Record<string, unknown>) =>
      exportWeights(checkpointsOf(await record({ spec: tinySpec({ training }), data })).at(-1)!.data);
    const tensors = (bytes: Uint8Array) => bytes.subarray(readHeader(bytes).dataStart);
    expect(tensors(await weights({ evaluate_every: 1, sample_every: 1 }))).toEqual(
      tensors(await weights({ evaluate_every: 1000, sample_every: 1000 })),
    );
  });

  test('depends on its seed and on nothing else', async () => {
    const data = textFile(sentence.repeat(2));
    const final = async (seed: number) =>
      checkpointsOf(await record({ spec: tinySpec({ seed }), data })).at(-1)!.data;
    const [one, same, other] = [await final(1), await final(1), await final(2)];
    expect(exportWeights(one)).toEqual(exportWeights(same));
    expect(exportWeights(one)).not.toEqual(exportWeights(other));
  });

  test('that diverges fails, saying where, and never writes a checkpoint of it', async () => {
    const spec = hopeless({ checkpoint_every: 1 });
    const scratch = scratchFolder();
    const finite: boolean[] = [];
    const { train } = await import('./train.ts');
    const training = train({ spec, data: textFile(sentence.repeat(4)), backend: createReference(), scratch });
    const failed = (async () => {
      for await (const event of training)
        if (event.type === 'checkpoint')
          finite.push(inspectWeights(exportWeights(event.data)).parameters > 0);
    })();
    await expect(failed).rejects.toThrow(/diverged at step \d+: /);
    await expect(failed).rejects.toMatchObject({ code: 'diverged' });
    expect(finite.length).toBeGreaterThan(0);
  });

  test('clips by value or not at all', async () => {
    for (const clip of [{ value: 0.01 }, { norm: 0.1 }, null]) {
      const run = await record({ spec: tinySpec({ training: { clip, epochs: 1 } }) });
      expect(metricsOf(run)[0]!.values.gradient_norm).toBeGreaterThan(0.1);
    }
  });

  test('writes a checkpoint when asked, and stops when asked, with one', async () => {
    const answers = ['continue', 'checkpoint', 'continue', 'stop'] as const;
    let asked = 0;
    const spec = tinySpec({ training: { evaluate_every: 1000, checkpoint_every: 1000 } });
    const run = await record({
      spec,
      // Asked three times while the data is read, then after every step.
      control: () => (asked++ < 3 ? 'continue' : (answers[asked - 4] ?? 'continue')),
    });
    expect(checkpointsOf(run).map(({ step, reason }) => `${step} ${reason}`)).toEqual([
      '2 requested',
      '4 requested',
    ]);
    expect(run.outcome).toEqual({ type: 'stopped', step: 4 });
  });

  test('of more parameters than allowed is refused before anything is allocated', async () => {
    const spec = tinySpec({ model: { hidden_size: 4096, num_layers: 8 } });
    await expect(record({ spec })).rejects.toBeInstanceOf(UnfoldError);
    await expect(record({ spec })).rejects.toMatchObject({ code: 'limit_exceeded' });
  });

  test('of more one-hot vectors than allowed is refused where it would read mixtures of them', async () => {
    const spec = tinySpec({ text: { level: 'word' }, training: { teacher_forcing: { mode: 'never' } } });
    const data = textFile(Array.from({ length: 16_000 }, (_, k) => `w${k}`).join(' '));
    await expect(record({ spec, data })).rejects.toMatchObject({
      code: 'limit_exceeded',
      param: 'model.embedding_size',
    });
  });

  test('trains at double precision too', async () => {
    const backend = createReference({ precision: 'float64' });
    const data = textFile(sentence.repeat(2));
    const spec = tinySpec({ training: { epochs: 1 } });
    const run = await record({ spec, data, backend });
    const header = readHeader(checkpointsOf(run).at(-1)!.data);
    expect(header.tensors.get('decoder.bias')!.dtype).toBe('F64');
    expect(
      readHeader(exportWeights(checkpointsOf(run).at(-1)!.data)).tensors.get('decoder.bias')!.dtype,
    ).toBe('F32');
  });
});

describe('the start', () => {
  const model = tinySpec({ model: { cell: 'lstm', hidden_size: 8 } }).model;

  test('gives every gate an orthogonal recurrent matrix', () => {
    for (const n of [1, 2, 17]) {
      const q = orthogonalMatrix(n, createRandomStream({ seed: 1, purpose: 1 }));
      for (let a = 0; a < n; a++)
        for (let b = 0; b < n; b++) {
          let dot = 0;
          for (let k = 0; k < n; k++) dot += q[a * n + k]! * q[b * n + k]!;
          expect(dot).toBeCloseTo(a === b ? 1 : 0, 12);
        }
    }
  });

  test('lets an LSTM remember: forget biases are 1, all others 0', () => {
    const table = parameterTable(model, textShape(5));
    const bias = (name: string) => {
      const index = table.findIndex((entry) => entry.name === name);
      return [...initialValues(table[index]!, index, model, 1)];
    };
    expect(bias('rnn.bias_ih_l0')).toEqual([...Array(8).fill(0), ...Array(8).fill(1), ...Array(16).fill(0)]);
    expect(bias('rnn.bias_hh_l0')).toEqual(Array(32).fill(0));
  });

  test('of an IRNN copies the state', () => {
    const irnn = tinySpec({
      model: { cell: 'elman', activation: 'relu', init: 'identity', hidden_size: 3 },
    }).model;
    const table = parameterTable(irnn, textShape(5));
    const index = table.findIndex(({ name }) => name === 'rnn.weight_hh_l0');
    expect([...initialValues(table[index]!, index, irnn, 1)]).toEqual([1, 0, 0, 0, 1, 0, 0, 0, 1]);
  });

  test('as PyTorch does it is uniform within 1 / √H', () => {
    const pytorch = { ...model, init: 'pytorch' as const };
    parameterTable(pytorch, textShape(5)).forEach((entry, k) => {
      const values = initialValues(entry, k, pytorch, 1);
      expect(Math.max(...values.map(Math.abs))).toBeLessThan(1 / Math.sqrt(8));
      expect(values.every((value) => value !== 0)).toBe(true);
    });
  });
});

test('a run begins with a warning of what its spec probably does not mean, and says nothing else of it', async () => {
  const bigram = { cell: 'elman', recurrence: 'output' };
  const run = await record({ spec: tinySpec({ model: bigram, training: { max_steps: 2 } }) });
  expect(run.events.slice(0, 2)).toContainEqual(
    expect.objectContaining({ type: 'log', level: 'warning', message: expect.stringContaining('bigram') }),
  );
  expect(logsOf(run).filter((message) => message.includes('is a bigram model'))).toHaveLength(1);
  const plain = await record({ spec: tinySpec({ training: { max_steps: 2 } }) });
  expect(logsOf(plain).join()).not.toContain('bigram');
});
