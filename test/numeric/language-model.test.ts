import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Backend, createReference } from '@unfold/kernels';
import { describe, expect, test } from 'vitest';
import { LanguageModel } from '../../packages/rnn/src/language-model.ts';
import { readCheckpoint } from '../../packages/rnn/src/training/checkpoint.ts';
import { initialState } from '../../packages/rnn/src/training/training-state.ts';
import { exportWeights } from '../../packages/rnn/src/weights/export.ts';
import { readTensor, writeSafetensorsSync } from '../../packages/rnn/src/weights/safetensors.ts';
import {
  checkpointsOf,
  metricsOf,
  record,
  scratchFolder,
  sentence,
  textFile,
  tinySpec,
} from '../../packages/rnn/test-support/runs.ts';
import { nativeEngines } from '../support/native-engines.ts';

interface Case {
  model: Record<string, unknown>;
  training: Record<string, unknown>;
  start: Record<string, number[]>;
  curve: { loss: number; gradient_norm: number; learning_rate: number }[];
  validation_loss: number;
  end: Record<string, number[]>;
  log_probabilities: number[];
}

interface Fixtures {
  text: string;
  scored: string;
  steps: number;
  batch_size: number;
  sequence_length: number;
  validation_fraction: number;
  cases: Record<string, Case>;
}

const fixtures = JSON.parse(
  readFileSync(join(import.meta.dirname, 'fixtures/language-model.json'), 'utf8'),
) as Fixtures;

const specOf = ({ model, training }: Case) =>
  tinySpec({
    model,
    training: {
      ...training,
      batch_size: fixtures.batch_size,
      sequence_length: fixtures.sequence_length,
      validation_fraction: fixtures.validation_fraction,
      max_steps: fixtures.steps,
      epochs: 100,
      evaluate_every: 1000,
    },
  });

/** A checkpoint of step 0 that holds PyTorch's start: a real checkpoint whose numbers are replaced. */
const startingCheckpoint = async (fixture: Case, data: string): Promise<Uint8Array> => {
  const spec = specOf(fixture);
  const stopped = await record({
    spec,
    data,
    control: (events) => (events.some(({ type }) => type === 'metric') ? 'stop' : 'continue'),
  });
  const { header, record: earlier } = readCheckpoint(checkpointsOf(stopped).at(-1)!.data);
  return writeSafetensorsSync(
    [...header.tensors].map(([name, { shape }]) => ({
      name,
      dtype: 'F64',
      shape,
      values: () => fixture.start[name] ?? new Float64Array(shape.reduce((a, b) => a * b, 1)),
    })),
    {
      ...(Object.fromEntries(header.metadata) as Record<string, string>),
      training: JSON.stringify({ ...earlier, state: initialState(spec) }),
    },
  );
};

/** The largest difference, relative to the largest number. */
const difference = (actual: ArrayLike<number>, expected: ArrayLike<number>): number => {
  expect(actual.length).toBe(expected.length);
  const scale = Math.max(1e-6, ...Array.from(expected, Math.abs));
  return Math.max(...Array.from(expected, (value, k) => Math.abs(actual[k]! - value) / scale));
};

const trainFrom = async (fixture: Case, backend: Backend) => {
  const data = textFile(fixtures.text);
  const resume = await startingCheckpoint(fixture, data);
  const run = await record({ spec: specOf(fixture), data, backend, resume });
  return { run, checkpoint: checkpointsOf(run).at(-1)!.data };
};

describe.each(Object.entries(fixtures.cases))('ten training steps: %s', (_, fixture) => {
  test.each([
    ['double', 1e-10, createReference({ precision: 'float64' })],
    ['single', 1e-4, createReference()],
    ...nativeEngines().map(({ name, create }) => [`single (${name})`, 1e-4, create()] as const),
  ] as (readonly [string, number, Backend])[])(
    'have the losses, norms, rates, weights and log-probabilities of PyTorch in %s precision',
    async (_name, tolerance, backend) => {
      const { run, checkpoint } = await trainFrom(fixture, backend);
      const curve = metricsOf(run).map(({ values }) => values);
      for (const name of ['loss', 'gradient_norm', 'learning_rate'] as const)
        expect(
          difference(
            curve.map((values) => values[name]!),
            fixture.curve.map((point) => point[name]),
          ),
        ).toBeLessThan(tolerance);
      expect(difference([curve.at(-1)!.validation_loss!], [fixture.validation_loss])).toBeLessThan(tolerance);

      const { header } = readCheckpoint(checkpoint);
      for (const [name, values] of Object.entries(fixture.end)) {
        const stored = fixture.model.tie_weights && name === 'decoder.weight' ? 'encoder.weight' : name;
        expect(difference(readTensor(checkpoint, header, stored, Float64Array), values), name).toBeLessThan(
          10 * tolerance,
        );
      }

      const model = await LanguageModel.load(checkpoint, backend);
      const { log_probabilities } = await model.score(fixtures.scored);
      expect(difference(log_probabilities.slice(1) as number[], fixture.log_probabilities)).toBeLessThan(
        10 * tolerance,
      );
    },
  );
});

const python = '/usr/bin/python3';
const hasTorch =
  spawnSync(python, ['-c', 'import importlib.util as u; assert u.find_spec("torch")']).status === 0;
/** Log-probabilities of the sentence under each model. */
const askTorch = (command: 'logprobs' | 'make', ...args: string[]): number[][] => {
  const script = join(import.meta.dirname, 'language_model_torch.py');
  const answer = execFileSync(python, ['-B', script, command, sentence, ...args], { encoding: 'utf8' });
  return JSON.parse(answer) as number[][];
};

const models = [
  { cell: 'lstm', num_layers: 2 },
  { cell: 'gru', num_layers: 2, embedding_size: 5 },
  { cell: 'elman', activation: 'relu', embedding_size: 6, tie_weights: true },
];

const expectSameScores = async (paths: string[], expected: number[][]): Promise<void> => {
  for (const [k, path] of paths.entries()) {
    const model = await LanguageModel.load(readFileSync(path), createReference());
    const { log_probabilities } = await model.score(sentence);
    expect(difference(log_probabilities.slice(1) as number[], expected[k]!)).toBeLessThan(1e-5);
  }
};

// Needs PyTorch (Debian's python3-torch); without it these two are reported as skipped.
describe.skipIf(!hasTorch)('PyTorch on this machine', () => {
  test('loads exported files with load_state_dict(strict=True) and gives the same log-probabilities', async () => {
    const paths: string[] = [];
    for (const model of models) {
      const run = await record({ spec: tinySpec({ model, training: { epochs: 1 } }) });
      paths.push(join(scratchFolder(), 'weights.safetensors'));
      writeFileSync(paths.at(-1)!, exportWeights(checkpointsOf(run).at(-1)!.data));
    }
    await expectSameScores(paths, askTorch('logprobs', ...paths));
  });

  test('saves models of its own that are loaded here and give the same log-probabilities', async () => {
    const paths = models.map(() => join(scratchFolder(), 'weights.safetensors'));
    const specs = models.map((model) => JSON.stringify(tinySpec({ model })));
    const expected = askTorch('make', ...paths.flatMap((path, k) => [specs[k]!, path]));
    await expectSameScores(paths, expected);
  });
});
