import { readFileSync } from 'node:fs';
import {
  type Backend,
  createBackend,
  createReference,
  type Parameter,
  type RecurrentLayer,
  type Tensor,
} from '@unfold/kernels';
import { describe, expect, test } from 'vitest';
import { nativeEngines } from '../support/native-engines.ts';

interface CellFixture {
  cell: RecurrentLayer['cell'];
  activation: 'tanh' | 'relu';
  sizes: { T: number; N: number; C: number; H: number; V: number; layers: number };
  parameters: Record<string, number[]>;
  gradients: Record<string, number[]>;
  x: number[];
  h0: number[];
  c0: number[];
  targets: number[];
  dhT: number[];
  dcT: number[];
  output: number[];
  hT: number[];
  cT: number[];
  loss: number;
  losses: number[];
  log_softmax: number[];
  dx: number[];
  dh0: number[];
  dc0: number[];
  norm: number;
  clipped_head_bias: number[];
}

interface OptimizerRun {
  type: 'sgd' | 'adam';
  learning_rate: number;
  weight_decay: number;
  momentum: number;
  nesterov: boolean;
  beta1: number;
  beta2: number;
  epsilon: number;
  trajectory: number[][];
}

function fixture<F>(name: string): F {
  return JSON.parse(readFileSync(new URL(`./fixtures/kernels-${name}.json`, import.meta.url), 'utf8')) as F;
}

const engines = [
  {
    name: 'reference in float64',
    tolerance: 1e-10,
    create: async () => createReference({ precision: 'float64' }),
  },
  { name: 'reference', tolerance: 2e-6, create: () => createBackend('reference') },
  ...nativeEngines().map(({ name, create }) => ({ name, tolerance: 4e-6, create: async () => create() })),
];

describe.each(engines)('$name', ({ create, tolerance }) => {
  async function expectValues(backend: Backend, tensor: Tensor, expected: readonly number[], label: string) {
    const values = await backend.download(tensor);
    expect(values, label).toHaveLength(expected.length);
    const size = Math.max(1, ...expected.map(Math.abs));
    for (const [i, value] of expected.entries())
      expect(Math.abs(values[i]! - value) / size, `${label}[${i}]`).toBeLessThan(tolerance);
  }

  test.each(['lstm', 'gru', 'elman-tanh', 'elman-relu'])(
    'two layers of %s, loss and gradients are PyTorch’s',
    async (name) => {
      const f = fixture<CellFixture>(name);
      const { T, N, C, H, V, layers } = f.sizes;
      const backend = await create();
      const isLstm = f.cell === 'lstm';
      const real = (shape: readonly number[], values?: readonly number[]) => {
        const tensor = backend.createTensor(shape);
        if (values) backend.upload(tensor, values);
        return tensor;
      };
      const part = (values: readonly number[], l: number) => values.slice(l * N * H, (l + 1) * N * H);
      const filled = (role: Parameter['role'], label: string) => {
        const parameter = backend.createParameter(role);
        backend.upload(parameter, f.parameters[label]!);
        return parameter;
      };

      const stack = Array.from({ length: layers }, (_, l) => {
        const layer: RecurrentLayer = {
          cell: f.cell,
          activation: f.activation,
          inputSize: l === 0 ? C : H,
          hiddenSize: H,
          input: 'dense',
        };
        const parameters = {
          weightIh: filled({ use: 'weight_ih', layer }, `rnn.weight_ih_l${l}`),
          weightHh: filled({ use: 'weight_hh', layer }, `rnn.weight_hh_l${l}`),
          biasIh: filled({ use: 'recurrent_bias', layer }, `rnn.bias_ih_l${l}`),
          biasHh: filled({ use: 'recurrent_bias', layer }, `rnn.bias_hh_l${l}`),
        };
        const gradients = {
          weightIh: backend.like(parameters.weightIh),
          weightHh: backend.like(parameters.weightHh),
          biasIh: backend.like(parameters.biasIh),
          biasHh: backend.like(parameters.biasHh),
        };
        return {
          l,
          layer,
          parameters,
          gradients,
          output: real([T, N, H]),
          saved: backend.createSaved(layer, T, N),
        };
      });
      const x = real([T, N, C], f.x);
      let below = x;
      for (const { l, layer, parameters, output, saved } of stack) {
        const [hT, cT] = [real([N, H]), isLstm ? real([N, H]) : null];
        const h0 = real([N, H], part(f.h0, l));
        const c0 = isLstm ? real([N, H], part(f.c0, l)) : null;
        backend.recurrentForward({ layer, parameters, input: below, h0, c0, output, hT, cT, saved });
        await expectValues(backend, hT, part(f.hT, l), `hT of layer ${l}`);
        if (cT) await expectValues(backend, cT, part(f.cT, l), `cT of layer ${l}`);
        below = output;
      }
      await expectValues(backend, below, f.output, 'output');

      const weight = filled({ use: 'dense', outputs: V, inputs: H }, 'head.weight');
      const bias = filled({ use: 'bias', size: V }, 'head.bias');
      const logits = real([T, N, V]);
      backend.denseForward({ input: below, weight, bias, output: logits });
      const targets = backend.createTensor([T, N], 'int');
      backend.upload(targets, f.targets);
      const count = f.targets.filter((target) => target >= 0).length;
      const loss = backend.createTensor([1], 'double');
      const [losses, dLogits, scores] = [real([T, N]), real([T, N, V]), real([T, N, V])];
      backend.softmaxCrossEntropy({ logits, targets, count, loss, losses, dLogits });
      backend.logSoftmax({ logits, output: scores });
      await expectValues(backend, loss, [f.loss], 'loss');
      await expectValues(backend, losses, f.losses, 'losses');
      await expectValues(backend, scores, f.log_softmax, 'log_softmax');

      const [dWeight, dBias] = [backend.like(weight), backend.like(bias)];
      let dAbove = real([T, N, H]);
      backend.denseBackward({ input: below, weight, dOutput: dLogits, dInput: dAbove, dWeight, dBias });
      await expectValues(backend, dWeight, f.gradients['head.weight']!, 'd head.weight');
      const all: Parameter[] = [dWeight, dBias];
      for (const { l, layer, parameters, gradients, saved } of stack.toReversed()) {
        const dInput = real([T, N, layer.inputSize]);
        const [dh0, dc0] = [real([N, H]), isLstm ? real([N, H]) : null];
        const dhT = real([N, H], part(f.dhT, l));
        const dcT = isLstm ? real([N, H], part(f.dcT, l)) : null;
        backend.recurrentBackward({
          layer,
          parameters,
          gradients,
          saved,
          dOutput: dAbove,
          dhT,
          dcT,
          dInput,
          dh0,
          dc0,
        });
        const named = {
          weight_ih: gradients.weightIh,
          weight_hh: gradients.weightHh,
          bias_ih: gradients.biasIh,
          bias_hh: gradients.biasHh,
        };
        for (const [key, gradient] of Object.entries(named)) {
          await expectValues(backend, gradient, f.gradients[`rnn.${key}_l${l}`]!, `d ${key}_l${l}`);
          all.push(gradient);
        }
        await expectValues(backend, dh0, part(f.dh0, l), `dh0 of layer ${l}`);
        if (dc0) await expectValues(backend, dc0, part(f.dc0, l), `dc0 of layer ${l}`);
        dAbove = dInput;
      }
      await expectValues(backend, dAbove, f.dx, 'dx');

      const norm = backend.createTensor([1], 'double');
      backend.globalNorm({ tensors: all, norm });
      backend.clipByNorm({ tensors: all, norm, maximum: 0.5 });
      await expectValues(backend, norm, [f.norm], 'norm');
      await expectValues(backend, dBias, f.clipped_head_bias, 'clipped d head.bias');
      backend.close();
    },
  );

  test('optimizers walk PyTorch’s trajectories', async () => {
    const f = fixture<{ start: number[]; gradients: number[][]; runs: OptimizerRun[] }>('optimizers');
    const backend = await create();
    for (const run of f.runs) {
      const parameter = backend.createParameter({ use: 'bias', size: f.start.length });
      backend.upload(parameter, f.start);
      const gradient = backend.like(parameter);
      const [first, second] = [backend.like(parameter), backend.like(parameter)];
      const entry = { parameter, gradient, weightDecay: run.weight_decay };
      for (const [index, values] of f.gradients.entries()) {
        backend.upload(gradient, values);
        const { learning_rate: learningRate, momentum, nesterov, beta1, beta2, epsilon } = run;
        if (run.type === 'sgd') {
          const velocity = momentum > 0 ? first : null;
          backend.sgdStep({ entries: [{ ...entry, velocity }], learningRate, momentum, nesterov });
        } else {
          const entries = [{ ...entry, first, second }];
          backend.adamStep({ entries, learningRate, beta1, beta2, epsilon, step: index + 1 });
        }
        await expectValues(backend, parameter, run.trajectory[index]!, `${run.type} step ${index + 1}`);
      }
    }
    backend.close();
  });
});
