import { describe, expect, test } from 'vitest';
import {
  checkpointsOf,
  curveOf,
  logsOf,
  metricsOf,
  type Recorded,
  record,
  scratchFolder,
  sentence,
  tensorsOf,
  textFile,
  tinySpec,
} from '../../test-support/runs.ts';
import { exportWeights } from '../weights/export.ts';
import { readCheckpoint } from './checkpoint.ts';
import type { ControlAnswer, TrainingEvent } from './events.ts';

const lastCheckpoint = (run: Recorded) => checkpointsOf(run).at(-1)!;

const untimed = (bytes: Uint8Array): unknown => ({ ...readCheckpoint(bytes).record.state, seconds: 0 });

interface Variant {
  [training: string]: unknown;
  text?: Record<string, unknown>;
  model?: Record<string, unknown>;
}

const stopAfterMetric = (events: TrainingEvent[]): ControlAnswer =>
  events.some(({ type }) => type === 'metric') ? 'stop' : 'continue';

const demanding = {
  model: { cell: 'lstm', num_layers: 2, embedding_size: 4, dropout: 0.3 },
  training: {
    epochs: 2,
    checkpoint_every: 1,
    evaluate_every: 4,
    log_every: 3,
    bptt: { window: 2 },
    schedule: { type: 'plateau', patience: 0, warmup_steps: 3 },
    early_stopping: { patience: 50 },
  },
};

describe('a run that goes on from a checkpoint', () => {
  test('ends with the same bits and the same curve, whichever step the checkpoint was written at', async () => {
    const spec = tinySpec(demanding);
    const data = textFile(sentence.repeat(2));
    const scratch = scratchFolder();
    const whole = await record({ spec, data, scratch });
    const checkpoints = checkpointsOf(whole);
    expect(checkpoints.length).toBe(whole.outcome.step);
    for (const { step, data: resume } of checkpoints) {
      const rest = await record({ spec, data, scratch, resume });
      expect(rest.outcome).toEqual(whole.outcome);
      expect(tensorsOf(lastCheckpoint(rest).data)).toEqual(tensorsOf(lastCheckpoint(whole).data));
      expect(untimed(lastCheckpoint(rest).data)).toEqual(untimed(lastCheckpoint(whole).data));
      const later = curveOf(whole).filter((event) => (event as { step: number }).step > step);
      expect(curveOf(rest)).toEqual(later);
    }
  });

  test('does so from checkpoints that were all written into one piece of memory', async () => {
    const spec = tinySpec(demanding);
    const data = textFile(sentence.repeat(2));
    const shared = new SharedArrayBuffer(200_000);
    const written: Uint8Array[] = [];
    const keep = (): unknown => written.push(written.pop()!.slice());
    const checkpointMemory = (bytes: number): Uint8Array => {
      if (written.length > 0) keep();
      const memory = new Uint8Array(shared, 0, bytes);
      written.push(memory.fill(255));
      return memory;
    };
    const whole = await record({ spec, data });
    await record({ spec, data, checkpointMemory });
    keep();
    // The first is where a run that diverges at once goes back to.
    expect(written.slice(1).map(tensorsOf)).toEqual(
      checkpointsOf(whole).map((event) => tensorsOf(event.data)),
    );
  });

  test.each<[string, Variant]>([
    ['gru with sgd', { model: { cell: 'gru' }, optimizer: { type: 'sgd', momentum: 0.9, nesterov: true } }],
    ['rmsprop with decay', { optimizer: { type: 'rmsprop', weight_decay: 0.01 } }],
    ['adagrad', { optimizer: { type: 'adagrad' } }],
    ['adamw', { optimizer: { type: 'adamw', weight_decay: 0.1 } }],
    ['an identity start', { model: { cell: 'elman', activation: 'relu', init: 'identity' } }],
    ['elman without a carried state', { model: { cell: 'elman' }, bptt: { stateful: false } }],
    ['words with a cosine', { text: { level: 'word' }, schedule: { type: 'cosine' } }],
    ['tied bytes', { text: { level: 'byte' }, model: { embedding_size: 6, tie_weights: true } }],
  ])(
    'ends with the same bits after a stop at every step: %s',
    async (_, { text, model, ...training }: Variant) => {
      const spec = tinySpec({
        ...(text && { text }),
        ...(model && { model }),
        training: { max_steps: 7, checkpoint_every: 1, ...training },
      });
      const data = textFile(sentence.repeat(3));
      const scratch = scratchFolder();
      const whole = await record({ spec, data, scratch });
      let part = await record({ spec, data, scratch, control: stopAfterMetric });
      const parts = curveOf(part);
      for (let attempt = 1; part.outcome.type === 'stopped'; attempt++) {
        expect(part.outcome.step).toBe(attempt);
        const resume = lastCheckpoint(part).data;
        part = await record({ spec, data, scratch, resume, control: stopAfterMetric });
        parts.push(...curveOf(part));
      }
      expect(parts).toEqual(curveOf(whole));
      expect(tensorsOf(lastCheckpoint(part).data)).toEqual(tensorsOf(lastCheckpoint(whole).data));
    },
  );

  test('continues a run that had ended when epochs are raised', async () => {
    const data = textFile(sentence.repeat(2));
    const short = await record({ spec: tinySpec({ training: { epochs: 1 } }), data });
    const long = await record({ spec: tinySpec({ training: { epochs: 3 } }), data });
    const raised = await record({
      spec: tinySpec({ training: { epochs: 3 } }),
      data,
      resume: lastCheckpoint(short).data,
    });
    expect(raised.outcome).toEqual(long.outcome);
    expect(tensorsOf(lastCheckpoint(raised).data)).toEqual(tensorsOf(lastCheckpoint(long).data));
  });

  test('writes its final checkpoint once more when nothing was left to do', async () => {
    const spec = tinySpec();
    const data = textFile(sentence.repeat(2));
    const whole = await record({ spec, data });
    const again = await record({ spec, data, resume: lastCheckpoint(whole).data });
    expect(again.outcome).toEqual(whole.outcome);
    const [only, ...others] = checkpointsOf(again);
    expect(others).toEqual([]);
    expect(only).toMatchObject({ reason: 'final', validation_loss: lastCheckpoint(whole).validation_loss });
    expect(exportWeights(only!.data)).toEqual(exportWeights(lastCheckpoint(whole).data));
  });

  test('refuses data that is not what the checkpoint was trained on', async () => {
    const spec = tinySpec();
    const whole = await record({ spec, data: textFile(sentence.repeat(2)) });
    const other = textFile(sentence.repeat(2).replace('fox', 'cat'));
    await expect(record({ spec, data: other, resume: lastCheckpoint(whole).data })).rejects.toMatchObject({
      code: 'data_changed',
    });
  });

  test('refuses a spec of another model, naming the field', async () => {
    const data = textFile(sentence.repeat(2));
    const whole = await record({ spec: tinySpec(), data });
    await expect(
      record({ spec: tinySpec({ training: { batch_size: 2 } }), data, resume: lastCheckpoint(whole).data }),
    ).rejects.toMatchObject({ code: 'contradictory_options', param: 'training.batch_size' });
  });

  test('warns when another engine goes on with it', async () => {
    const { createReference } = await import('@unfold/kernels');
    const data = textFile(sentence.repeat(2));
    const whole = await record({ spec: tinySpec({ training: { epochs: 1 } }), data });
    const raised = await record({
      spec: tinySpec({ training: { epochs: 2 } }),
      data,
      resume: lastCheckpoint(whole).data,
      backend: createReference({ precision: 'float64' }),
    });
    expect(logsOf(raised).join()).toMatch(/engine reference.*float32.*float64/);
  });
});

test('an evaluation that is interrupted is done again, and tells nothing before', async () => {
  const spec = tinySpec({ training: { epochs: 1, evaluate_every: 3, max_steps: 6 } });
  const data = textFile(sentence.repeat(6));
  const scratch = scratchFolder();
  const whole = await record({ spec, data, scratch });
  for (let patience = 3; patience < 12; patience++) {
    let asked = 0;
    const part = await record({
      spec,
      data,
      scratch,
      control: () => (++asked >= patience ? 'stop' : 'continue'),
    });
    if (part.outcome.type === 'completed') continue;
    const rest = await record({ spec, data, scratch, resume: lastCheckpoint(part).data });
    expect([...curveOf(part), ...curveOf(rest)]).toEqual(curveOf(whole));
    expect(tensorsOf(lastCheckpoint(rest).data)).toEqual(tensorsOf(lastCheckpoint(whole).data));
  }
});

test('metrics come at every log step, under the names of the design', async () => {
  const run = await record({ spec: tinySpec({ training: { log_every: 2, epochs: 1 } }) });
  const [first] = metricsOf(run);
  expect(first!.step).toBe(2);
  expect(Object.keys(first!.values).sort()).toEqual([
    'accuracy',
    'bits_per_character',
    'epoch',
    'eta_seconds',
    'gradient_norm',
    'learning_rate',
    'loss',
    'perplexity',
    'tokens_per_second',
  ]);
  expect(metricsOf(run).at(-1)!.values.validation_loss).toBeGreaterThan(0);
});
