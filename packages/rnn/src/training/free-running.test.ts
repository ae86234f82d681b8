import { createReference } from '@unfold/kernels';
import { describe, expect, test } from 'vitest';
import {
  checkpointsOf,
  metricsOf,
  record,
  scratchFolder,
  sentence,
  textFile,
  tinySpec,
} from '../../test-support/runs.ts';
import { LanguageModel } from '../language-model.ts';
import { createNetwork, initializeNetwork, upload } from '../model/network.ts';
import { textShape } from '../model/network-shape.ts';
import { parameterTable } from '../model/parameter-table.ts';
import { exportWeights } from '../weights/export.ts';
import { FreeRunning } from './free-running.ts';
import { openRunData } from './run-data.ts';

const never = async (): Promise<boolean> => false;

const openData = async (text: string, training = {}) => {
  const spec = tinySpec({
    training: { batch_size: 2, sequence_length: 24, validation_fraction: 0.5, ...training },
  });
  const request = { data: textFile(text), validation: null, scratch: scratchFolder(), checkpoint: null };
  const data = (await openRunData({ spec, ...request, interrupted: () => false }))!;
  return { spec, data };
};

const networkFor = ({ spec, data }: Awaited<ReturnType<typeof openData>>) => {
  const network = createNetwork(
    createReference(),
    spec.model,
    textShape(data.text!.file.tokenizer.tokens.length),
  );
  initializeNetwork(network, 1);
  return network;
};

describe('the free-running loss', () => {
  test('is the forced one where the past does not matter', async () => {
    const opened = await openData('ab'.repeat(200));
    const network = networkFor(opened);
    // Whatever was read, the next token is `a` or `b` with equal probability.
    const table = parameterTable(opened.spec.model, network.shape);
    table.forEach(({ name, shape }, k) => {
      const zeros = new Float64Array(shape.reduce((a, b) => a * b, 1));
      if (name === 'decoder.bias') zeros.set([-1000, 0, 0]);
      upload(network.backend, network.parameters.all[k]!, zeros);
    });
    const running = FreeRunning.over(network, opened.data.text!.file, opened.data.text!.validation!, 1)!;
    const { free, forced } = (await running.run(never))!;
    expect(free).toBeCloseTo(Math.LN2, 6);
    expect(forced).toBeCloseTo(Math.LN2, 6);
    running.release();
  });

  test('has a forced loss over the same positions: those after 16 tokens from a zero state', async () => {
    // One lane of one window.
    const tail = sentence.slice(0, 65);
    const spec = tinySpec({
      training: {
        batch_size: 1,
        sequence_length: 64,
        epochs: 1,
        evaluate_every: 1000,
      },
    });
    const run = await record({ spec, data: textFile(sentence.repeat(8)), validation: textFile(tail) });
    const { free_running_loss, free_running_gap } = metricsOf(run).at(-1)!.values;
    const model = await LanguageModel.load(exportWeights(checkpointsOf(run).at(-1)!.data), createReference());
    const { log_probabilities } = await model.score(tail);
    const after = log_probabilities.slice(17).map((value) => -value!);
    const forced = after.reduce((sum, value) => sum + value, 0) / after.length;
    expect(after.length).toBe(48);
    expect(free_running_loss! - free_running_gap!).toBeCloseTo(forced, 5);
  });

  test('is the same whenever it is asked for, and changes with the seed alone', async () => {
    const opened = await openData(sentence.repeat(10));
    const network = networkFor(opened);
    const losses = [];
    for (const seed of [1, 1, 2]) {
      const running = FreeRunning.over(network, opened.data.text!.file, opened.data.text!.validation!, seed)!;
      losses.push(await running.run(never));
      expect(await running.run(never)).toEqual(losses.at(-1));
      running.release();
    }
    expect(losses[1]).toEqual(losses[0]);
    expect(losses[2]!.forced).toBe(losses[0]!.forced);
    expect(losses[2]!.free).not.toBe(losses[0]!.free);
  });

  test('takes at most 128 time steps, whatever the length of the text', async () => {
    for (const sequence_length of [5, 24, 200]) {
      const opened = await openData(sentence.repeat(40), { sequence_length });
      const running = FreeRunning.over(
        networkFor(opened),
        opened.data.text!.file,
        opened.data.text!.validation!,
        1,
      )!;
      let steps = 0;
      await running.run(async () => ++steps < 0);
      expect(steps).toBeGreaterThan(8);
      expect(steps).toBeLessThanOrEqual(128);
      running.release();
    }
  });

  test('ends at once when it is interrupted', async () => {
    const opened = await openData(sentence.repeat(10));
    const running = FreeRunning.over(
      networkFor(opened),
      opened.data.text!.file,
      opened.data.text!.validation!,
      1,
    )!;
    let steps = 0;
    expect(await running.run(async () => ++steps === 3)).toBeNull();
    expect(steps).toBe(3);
    running.release();
  });
});

test('a model that never saw its own mistakes does worse on them', async () => {
  const spec = tinySpec({
    model: { cell: 'lstm', hidden_size: 24 },
    training: {
      epochs: 12,
      batch_size: 2,
      sequence_length: 32,
      evaluate_every: 10_000,
      optimizer: { learning_rate: 0.01 },
    },
  });
  const run = await record({ spec, data: textFile(sentence.repeat(12)) });
  const { validation_loss, free_running_loss, free_running_gap } = metricsOf(run).at(-1)!.values;
  expect(free_running_gap).toBeGreaterThan(0);
  expect(free_running_loss).toBeGreaterThan(validation_loss!);
});
