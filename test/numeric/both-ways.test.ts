import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Backend, createReference } from '@unfold/kernels';
import { describe, expect, test } from 'vitest';
import type { HostBatch } from '../../packages/rnn/src/data/feed.ts';
import { createGradients, createNetwork, upload } from '../../packages/rnn/src/model/network.ts';
import { createState } from '../../packages/rnn/src/model/recurrent-state.ts';
import { TrainingPass } from '../../packages/rnn/src/model/training-pass.ts';
import { Predictor } from '../../packages/rnn/src/predictor.ts';
import { BatchTensors } from '../../packages/rnn/src/training/batch-tensors.ts';
import { exportWeights } from '../../packages/rnn/src/weights/export.ts';
import {
  checkpointsOf,
  record,
  scratchFolder,
  textFile,
  tinySpec,
} from '../../packages/rnn/test-support/runs.ts';
import { nativeEngines } from '../support/native-engines.ts';

interface Case {
  cell: string;
  task: string;
  parameters: Record<string, number[]>;
  inputs: number[];
  targets: number[];
  loss: number;
  gradients: Record<string, number[]>;
}

interface Fixtures {
  steps: number;
  sequences: number;
  inputs: number;
  hidden: number;
  outputs: number;
  layers: number;
  lengths: number[];
  cases: Case[];
}

const fixtures = JSON.parse(
  readFileSync(join(import.meta.dirname, 'fixtures/both-ways.json'), 'utf8'),
) as Fixtures;

const specOf = (cell: string, task: string) =>
  tinySpec({
    task,
    model: { cell, hidden_size: fixtures.hidden, num_layers: fixtures.layers, bidirectional: true },
  });

/** The largest difference, relative to the largest number. */
const difference = (actual: ArrayLike<number>, expected: ArrayLike<number>): number => {
  expect(actual.length).toBe(expected.length);
  const scale = Math.max(1e-6, ...Array.from(expected, Math.abs));
  return Math.max(...Array.from(expected, (value, k) => Math.abs(actual[k]! - value) / scale));
};

const engines: [string, number, () => Backend][] = [
  ['in double precision', 1e-10, () => createReference({ precision: 'float64' })],
  ['in single precision', 2e-5, () => createReference()],
  ...nativeEngines().map(({ name, create }): [string, number, () => Backend] => [
    `in single precision (${name})`,
    2e-5,
    create,
  ]),
];

describe.each(fixtures.cases.map((each): [string, string, Case] => [each.cell, each.task, each]))(
  'a stack of %s read both ways over sequences of different lengths: %s',
  (cell, task, fixture) => {
    test.each(engines)('has the loss and the gradients of PyTorch %s', async (_, tolerance, create) => {
      const backend = create();
      const { steps, sequences, inputs, outputs } = fixtures;
      const network = createNetwork(backend, specOf(cell, task).model, {
        input: { kind: 'vectors', size: inputs },
        output: { kind: 'tokens', size: outputs },
        loss: 'softmax',
        excluded: null,
        outputAt: task === 'classification' ? 'end' : 'steps',
        feedback: null,
        context: null,
        readsOutputs: false,
        normSteps: 1,
      });
      expect(network.table.map(({ name }) => name).sort()).toEqual(Object.keys(fixture.parameters).sort());
      network.table.forEach(({ name }, k) => {
        upload(backend, network.parameters.all[k]!, Float64Array.from(fixture.parameters[name]!));
      });
      const targets = Int32Array.from(fixture.targets);
      const batch: HostBatch = {
        steps,
        lengths: Int32Array.from(fixtures.lengths),
        sequences: null,
        inputs: Float32Array.from(fixture.inputs),
        targets,
        mask: null,
        count: targets.filter((target) => target >= 0).length,
        context: null,
        tokens: fixtures.lengths.reduce((sum, length) => sum + length, 0),
      };
      const tensors = new BatchTensors(network, { longest: steps, sequences, continues: true });
      const pass = new TrainingPass(network, createGradients(network), steps, sequences);
      pass.run({
        ...tensors.load(batch),
        cutEvery: steps,
        state: createState(network, sequences),
        starts: true,
        random: { seed: 1, step: 0, sequences: null },
      });
      expect(difference(await backend.download(pass.loss), [fixture.loss])).toBeLessThan(tolerance);
      for (const [k, { name }] of network.table.entries())
        expect(
          difference(await backend.download(pass.gradients.all[k]!), fixture.gradients[name]!),
          name,
        ).toBeLessThan(tolerance);
      backend.close();
    });
  },
);

const python = '/usr/bin/python3';
const hasTorch =
  spawnSync(python, ['-c', 'import importlib.util as u; assert u.find_spec("torch")']).status === 0;

const records = Array.from({ length: 12 }, (_, k) => ({
  input: Array.from({ length: 1 + (k % 5) }, (_, t) => [Math.sin(k + t), ((k * t) % 3) - 1]),
  label: k % 2 ? 'odd' : 'even',
}));

// Needs PyTorch (Debian's python3-torch); without it this is reported as skipped.
describe.skipIf(!hasTorch)('PyTorch on this machine', () => {
  test.each(['elman', 'lstm', 'gru'])(
    'loads an exported classifier that reads both ways with load_state_dict(strict=True) and answers the same: %s',
    async (cell) => {
      const spec = tinySpec({
        task: 'classification',
        model: { cell, num_layers: 2, bidirectional: true },
        series: { normalization: 'none' },
      });
      const data = textFile(records.map((each) => JSON.stringify(each)).join('\n'));
      const weights = exportWeights(checkpointsOf(await record({ spec, data })).at(-1)!.data);
      const path = join(scratchFolder(), 'weights.safetensors');
      writeFileSync(path, weights);
      const sequences = records.slice(0, 5).map(({ input }) => input);
      const script = join(import.meta.dirname, 'both_ways_torch.py');
      const answer = execFileSync(python, ['-B', script, path, JSON.stringify(sequences)], {
        encoding: 'utf8',
      });
      const expected = JSON.parse(answer) as number[][];
      const predictor = await Predictor.load(weights, createReference());
      for (const [k, input] of sequences.entries()) {
        const found = (await predictor.predict(input)) as { probabilities: Record<string, number> };
        expect(difference(Object.values(found.probabilities), expected[k]!)).toBeLessThan(1e-5);
      }
      predictor.close();
    },
  );
});
