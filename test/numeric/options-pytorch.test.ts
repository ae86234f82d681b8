import { readFileSync } from 'node:fs';
import {
  type Backend,
  createReference,
  type Parameter,
  type ParameterRole,
  type RecurrentLayer,
  type RecurrentParameters,
  type Tensor,
} from '@unfold/kernels';
import { describe, expect, test } from 'vitest';
import { nativeEngines } from '../support/native-engines.ts';

type Options = Omit<RecurrentLayer, 'inputSize' | 'hiddenSize' | 'input'>;

interface OptionCase {
  options: Options;
  sizes: { T: number; N: number; C: number; H: number };
  inputs: Record<string, number[]>;
  weights: Record<'dOutput' | 'dhT' | 'dcT', number[]>;
  output: number[];
  hT: number[];
  cT: number[];
  gradients: Record<string, number[]>;
  mean: number[];
  variance: number[];
}

interface LossFixture {
  sizes: { rows: number; D: number };
  x: number[];
  y: number[];
  mask: number[];
  squared: { losses: number[]; loss: number; gradient: number[] };
  bernoulli: { losses: number[]; loss: number; gradient: number[] };
}

function fixture<F>(name: string): F {
  return JSON.parse(readFileSync(new URL(`./fixtures/kernels-${name}.json`, import.meta.url), 'utf8')) as F;
}

const engines = [
  { name: 'reference in float64', tolerance: 1e-9, create: () => createReference({ precision: 'float64' }) },
  { name: 'reference', tolerance: 4e-6, create: () => createReference() },
  ...nativeEngines().map(({ name, create }) => ({ name, tolerance: 8e-6, create })),
];

const { cases } = fixture<{ cases: OptionCase[] }>('options');
const uses: Readonly<
  Record<
    keyof RecurrentParameters,
    Exclude<Extract<ParameterRole, { layer: RecurrentLayer }>['use'], 'norm_statistics'>
  >
> = {
  weightIh: 'weight_ih',
  weightHh: 'weight_hh',
  biasIh: 'recurrent_bias',
  biasHh: 'recurrent_bias',
  peephole: 'peephole',
  gainIh: 'recurrent_gain',
  gainHh: 'recurrent_gain',
  gainCell: 'cell_norm',
  biasCell: 'cell_norm',
};

describe.each(engines)('$name', ({ create, tolerance }) => {
  async function expectValues(backend: Backend, tensor: Tensor, expected: readonly number[], label: string) {
    const values = await backend.download(tensor);
    expect(values, label).toHaveLength(expected.length);
    const size = Math.max(1, ...expected.map(Math.abs));
    for (const [i, value] of expected.entries())
      expect(Math.abs(values[i]! - value) / size, `${label}[${i}]`).toBeLessThan(tolerance);
  }

  async function compare(backend: Backend, { options, sizes, ...f }: OptionCase) {
    const { T, N, C, H } = sizes;
    const layer: RecurrentLayer = { ...options, normSteps: T, inputSize: C, hiddenSize: H, input: 'dense' };
    const real = (shape: readonly number[], values?: readonly number[]) => {
      const tensor = backend.createTensor(shape);
      if (values) backend.upload(tensor, values);
      return tensor;
    };
    const named: Record<string, Parameter> = {};
    const gradients: Record<string, Parameter> = {};
    for (const [name, use] of Object.entries(uses)) {
      const values = f.inputs[name];
      if (!values) continue;
      named[name] = backend.createParameter({ use, layer });
      backend.upload(named[name], values);
      gradients[name] = backend.like(named[name]);
    }
    const none = { weightHh: null, biasHh: null };
    const parameters = { ...none, ...named } as RecurrentParameters;
    const role = { use: 'norm_statistics', layer, of: 'moments' } as const;
    const statistics =
      layer.norm === 'batch'
        ? {
            mean: backend.createParameter(role),
            variance: backend.createParameter(role),
            batches: backend.createParameter({ ...role, of: 'batches' }),
          }
        : null;
    const training = statistics && { seed: 0, step: 0, layer: 0, sequences: null };
    const state = (name: string) => (f.inputs[name] ? real([N, H], f.inputs[name]) : null);
    const [h0, c0] = [state('h0'), state('c0')];
    const [hT, cT] = [h0 && real([N, H]), c0 && real([N, H])];
    const output = real([T, N, H]);
    const injected = real([T, N, f.inputs.injected!.length / (T * N)], f.inputs.injected);
    const input = real([T, N, C], f.inputs.x);
    const saved = backend.createSaved(layer, T, N);
    const call = { layer, parameters, input, injected, statistics, training };
    backend.recurrentForward({ ...call, h0, c0, output, hT, cT, saved });
    await expectValues(backend, output, f.output, 'output');
    if (hT) await expectValues(backend, hT, f.hT, 'hT');
    if (cT) await expectValues(backend, cT, f.cT, 'cT');
    if (statistics) {
      await expectValues(backend, statistics.mean, f.mean, 'running mean');
      await expectValues(backend, statistics.variance, f.variance, 'running variance');
    }
    const d = {
      x: real([T, N, C]),
      injected: real(injected.shape),
      h0: h0 && real([N, H]),
      c0: c0 && real([N, H]),
    };
    backend.recurrentBackward({
      layer,
      parameters,
      gradients: { ...none, ...gradients } as RecurrentParameters,
      saved,
      dOutput: real([T, N, H], f.weights.dOutput),
      dhT: h0 && real([N, H], f.weights.dhT),
      dcT: c0 && real([N, H], f.weights.dcT),
      dInput: d.x,
      dInjected: d.injected,
      dh0: d.h0,
      dc0: d.c0,
    });
    for (const [name, tensor] of Object.entries({ ...gradients, ...d }))
      if (tensor) await expectValues(backend, tensor, f.gradients[name]!, `d ${name}`);
  }

  test.each(cases.map((each) => ({ title: JSON.stringify(each.options), each })))(
    'a layer with $title computes what PyTorch’s operations do',
    async ({ each }) => {
      const backend = create();
      await compare(backend, each);
      backend.close();
    },
  );

  test('squared error and Bernoulli cross-entropy are PyTorch’s, row by row and in their gradients', async () => {
    const f = fixture<LossFixture>('row-losses');
    const backend = create();
    const shape = [f.sizes.rows, f.sizes.D];
    const [x, targets] = [backend.createTensor(shape), backend.createTensor(shape)];
    backend.upload(x, f.x);
    backend.upload(targets, f.y);
    const mask = backend.createTensor([f.sizes.rows], 'int');
    backend.upload(mask, f.mask);
    const count = f.mask.reduce((sum, value) => sum + value, 0);
    for (const name of ['squared', 'bernoulli'] as const) {
      const loss = backend.createTensor([1], 'double');
      const losses = backend.createTensor([f.sizes.rows]);
      const gradient = backend.createTensor(shape);
      const call = { targets, mask, count, loss, losses };
      if (name === 'squared') backend.squaredError({ ...call, predictions: x, dPredictions: gradient });
      else backend.bernoulliCrossEntropy({ ...call, logits: x, dLogits: gradient });
      await expectValues(backend, loss, [f[name].loss], `${name} loss`);
      await expectValues(backend, losses, f[name].losses, `${name} losses`);
      await expectValues(backend, gradient, f[name].gradient, `${name} gradient`);
    }
    backend.close();
  });
});
